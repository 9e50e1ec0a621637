"""Tables that scikit-learn ships are read as it reads them, without importing it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from problems.data import DIGITS, breast_cancer_table, bundled, diabetes_table
from problems.problem import DataError


def test_the_digits_are_scikit_learns() -> None:
    table, bunch = bundled("digits.csv.gz", ","), load_digits()
    np.testing.assert_array_equal(table[:, :-1], bunch.data)
    np.testing.assert_array_equal(table[:, -1], bunch.target)


def test_the_breast_cancer_data_are_scikit_learns() -> None:
    features, target = breast_cancer_table(standardised=False)
    bunch = load_breast_cancer()
    np.testing.assert_array_equal(features, bunch.data)
    np.testing.assert_array_equal(target, bunch.target)


def test_the_diabetes_data_are_scikit_learns_standardised() -> None:
    bunch = load_diabetes(scaled=False)
    for found, table in zip(diabetes_table(), (bunch.data, bunch.target), strict=True):
        np.testing.assert_array_equal(found, (table - table.mean(0)) / table.std(0))


@pytest.mark.slow
def test_loading_the_digits_imports_no_scikit_learn() -> None:
    script = "import sys; from problems.data import DIGITS; DIGITS.load(); print('sklearn' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
    assert DIGITS.load().inputs.shape == (DIGITS.rows, DIGITS.features)


def test_a_table_that_is_not_shipped_is_said_with_its_package() -> None:
    with pytest.raises(DataError, match=r"nothing\.csv comes with the package scikit-learn"):
        bundled("nothing.csv", ",")

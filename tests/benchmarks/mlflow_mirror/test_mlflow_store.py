"""Which stores are refused before anything runs."""

from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from benchmarks.mlflow_mirror.store import check_uri


@pytest.mark.parametrize("uri", ["sqlite:///a.db", "https://host:5000", "postgresql+psycopg://me:secret@host/db"])
def test_usual_stores_are_not_touched_before_their_first_use(uri):
    check_uri(uri)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlruns", "none in plain folders; try sqlite:///mlflow.db"),
        ("file:///tmp/mlruns", "none in plain folders"),
        ("nonsense://me:secret@x", r"no store like 'nonsense://me:\*\*\*@x'; it knows sqlite"),
    ],
)
def test_what_is_no_store_is_refused_in_one_sentence(uri, said):
    with pytest.raises(UsageError, match=said) as refused:
        check_uri(uri)
    assert "secret" not in str(refused.value)

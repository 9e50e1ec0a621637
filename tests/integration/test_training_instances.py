"""The engine, a rule and problems together: a seed means the same run in any company."""

import pytest
import torch

from benchmarks.lanes import train
from optimizers.sgd import SGD
from problems import bbob, chapter, classic, least_squares, online, quadratic, quadratic_deep, scalable

FAMILIES = (chapter, classic, scalable, bbob, least_squares, quadratic, quadratic_deep, online)
SPECS = {spec.name: spec for family in FAMILIES for spec in family.SPECS}


@pytest.mark.parametrize("name", SPECS)
def test_a_seeds_run_is_the_same_alone_and_beside_others(name):
    problem = SPECS[name].build()
    setting = {"lr": torch.tensor([1e-9, 1e-8], dtype=torch.float64)}  # small: rounding is not amplified
    together = train(problem, SGD(), setting, [5, 3, 8], 3, keep_path=True, dtype=torch.float64)
    alone = train(problem, SGD(), {"lr": 1e-8}, [3], 3, keep_path=True, dtype=torch.float64)
    # Matrix products over more lanes may sum in another order.
    torch.testing.assert_close(together.path[1, 1], alone.path[0, 0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(together.loss[1, 1], alone.loss[0, 0], rtol=1e-12, atol=1e-14, equal_nan=True)

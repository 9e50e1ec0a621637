"""The engine, a rule and the ellipsoids together: gradient descent does not feel how they are turned."""

import torch

from benchmarks.lanes import train
from optimizers.sgd import SGD
from problems import bbob, chapter, classic, least_squares, scalable
from problems.analytic import Analytic

SPECS = {spec.name: spec for module in (chapter, classic, scalable, bbob, least_squares) for spec in module.SPECS}


def built(name: str) -> Analytic:
    """The problem of a name in the table, with ``dim`` where written."""
    base, _, rest = name.partition("(dim=")
    return SPECS[base].build(**({"dim": int(rest[:-1])} if rest else {}))


def test_the_two_ellipsoids_are_one_quadratic_in_two_positions():
    straight, turned = built("ellipsoid"), built("ellipsoid-rotated")
    expected = 2 * torch.logspace(0, 6, 10, dtype=torch.float64)
    for problem in (straight, turned):
        hessian = torch.autograd.functional.hessian(problem.function, problem.start([0])[0])
        # Eigenvalues of a turned matrix carry the rounding of the largest, 1e-10.
        torch.testing.assert_close(torch.linalg.eigvalsh(hessian), expected, rtol=1e-9, atol=1e-9)
    path = [train(p, SGD(), {"lr": 1e-7}, [0], 20, evaluate_every=1).loss for p in (straight, turned)]
    torch.testing.assert_close(*path, rtol=1e-9, atol=0)

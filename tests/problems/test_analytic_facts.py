"""Functions with formulas: values and slopes at the start against recorded ones, and every stated fact read back."""

import math

import pytest
import torch

from problems import bbob, chapter, classic, least_squares, scalable
from problems.analytic import Analytic

SPECS = {spec.name: spec for module in (chapter, classic, scalable, bbob, least_squares) for spec in module.SPECS}

# The value and the gradient's norm at the start, and the minimum: for the problems of Moré, Garbow and Hillstrom the
# values of the paper to nine digits, for the others computed once by independent formulas and derivatives.
AT_START = {
    "ellipse": (10.5, 8.06, 0),
    "ellipse-rotated": (22.9, 17.1, 0),
    "ellipse-turned": (11.45, 8.54, 0),
    "bowl": (33, 12.8, 0),
    "bowl-noisy": (33, 12.8, 0),
    "square": (100, 20, 0),
    "wave": (-1.8369702e-15, 4.71, None),
    "cosh": (74.209949, 37.1, 1),
    "log-exp": (2.0001234, 1, -0.3634858317),
    "square-sine": (45.597889, 74.8, 0),
    "halving": ((1 - 2**-20) / 2, 0.577, 0),
    "rosenbrock": (24.2, 233, 0),
    "beale": (14.203125, 27.8, 0),
    "himmelblau": (170, 26.1, 0),
    "booth": (884, 178, 0),
    "matyas": (20.26, 6.36, 0),
    "goldstein-price": (32.6875, 27, 3),
    "three-hump-camel": (3.1166667, 3.23, 0),
    "six-hump-camel": (3.2333333, 9.37, -1.031628453),
    "branin": (95.844668, 23.1, 0.3978873577),
    "mccormick": (1, 3.54, -1.913222955),
    "saddle": (0.49999999, 1, -0.25),
    "monkey-saddle": (-1.999e-9, 6e-6, -6.75),
    "rosenbrock-noisy": (158.5, 351, 0),
    "beale-noisy": (169680.832, 2.396e5, 0),
    "branin-noisy": (95.844668, 23.1, 0.3978873577),
    "rosenbrock-chained": (2057, 2070, 0),
    "styblinski-tang": (-20, 23.3, -78.33233141),
    "rastrigin": (31.43034, 71.2, 0),
    "ackley": (6.7681665, 3.85, 0),
    "levy": (3.0211139, 3.42, 0),
    "griewank": (0.95913768, 0.454, 0),
    "dixon-price": (9, 37.4, 0),
    "zakharov": (6, 17.6, 0),
    "sphere": (10, math.sqrt(40), 0),
    "ellipsoid": (sum(10 ** (6 * i / 9) for i in range(10)), 2.05e6, 0),
    "ellipsoid-rotated": (sum(10 ** (6 * i / 9) for i in range(10)), 2.05e6, 0),
    "discus": (1000009, 2e6, 0),
    "cigar": (9000001, 6e6, 0),
    "sharp-ridge": (301, math.hypot(2, 100), 0),
    "different-powers": (10, 13.3, 0),
    "freudenstein-roth": (400.5, 1270, 0),
    "powell-badly-scaled": (1.1352617, 2e4, 0),
    "brown-badly-scaled": (999998000003, 2e6, 0),
    "jennrich-sampson": (4171.3062, 9.37e4, 124.3621824),
    "helical-valley": (2500, 1880, 0),
    "bard": (41.681696, 84.6, 0.008214877307),
    "gaussian": (3.888107e-6, 0.00745, 1.12793277e-8),
    "meyer": (1693607809, 8.73e10, 87.9458551),
    "box-3d": (1031.1538, 149, 0),
    "powell-singular": (215, 459, 0),
    "wood": (19192, 1.64e4, 0),
    "kowalik-osborne": (0.0053131723, 0.134, 0.0003075056038),
    "brown-dennis": (7926693.3, 2.14e6, 85822.20163),
    "osborne-1": (0.87902629, 419, 5.464894697e-5),
    "biggs-exp6": (0.77907008, 2.55, 0),
    "watson": (30, 137, 0.002287670054),
    "watson(dim=9)": (30, 178, 1.399760138e-6),
    "penalty-1": (148032.57, 3.02e4, 7.087651467e-5),
    "penalty-1(dim=4)": (885.06264, 652, 2.249977501e-5),
    "variably-dimensioned": (2198551.2, 4.48e6, 0),
    "trigonometric": (0.0070757595, 0.0991, 0),
    "brown-almost-linear": (9 * 5.5**2 + (1 - 0.5**10) ** 2, 345, 0),
    "discrete-boundary-value": (0.0007885191, 0.0396, 0),
    "broyden-tridiagonal": (21, 50.4, 0),
    "broyden-banded": (360, 815, 0),
    "chebyquad": (0.038617698, 1.52, 0.003516873726),
}


def built(name: str) -> Analytic:
    """The problem of a name in the table, with ``dim`` where written."""
    base, _, rest = name.partition("(dim=")
    return SPECS[base].build(**({"dim": int(rest[:-1])} if rest else {}))


def value_and_gradient(problem, x):
    x = x.clone().requires_grad_()
    value = problem.evaluate(x)["loss"]
    return float(value.detach()), torch.autograd.grad(value.sum(), x)[0]


def test_every_function_stands_in_the_table():
    assert {name.partition("(")[0] for name in AT_START} == set(SPECS)


@pytest.mark.parametrize("name", AT_START)
def test_the_value_at_the_start_is_the_recorded_one(name):
    problem = built(name)
    assert float(problem.evaluate(problem.start([0]))["loss"]) == pytest.approx(AT_START[name][0], rel=1e-7)


@pytest.mark.parametrize("name", AT_START)
def test_the_slope_at_the_start_is_the_recorded_one(name):
    problem = built(name)
    _, gradient = value_and_gradient(problem, problem.start([0]))
    assert float(gradient.norm()) == pytest.approx(AT_START[name][1], rel=7e-3)  # recorded with three digits


@pytest.mark.parametrize("name", AT_START)
def test_the_minimum_is_the_recorded_one(name):
    minimum, recorded = built(name).minimum, AT_START[name][2]
    assert minimum == recorded if recorded is None else minimum == pytest.approx(recorded, rel=1e-8, abs=0)


@pytest.mark.parametrize("name", AT_START)
def test_every_minimiser_has_the_minimum_and_no_slope(name):
    problem = built(name)
    _, start_gradient = value_and_gradient(problem, problem.start([0]))
    for point in problem.minimisers:
        value, gradient = value_and_gradient(problem, torch.tensor(point, dtype=torch.float64))
        # A minimiser is rounded in its last digit: that costs the curvature times 1e-16 in slope, nothing in value.
        assert value == pytest.approx(problem.minimum, rel=1e-9, abs=1e-20)
        assert float(gradient.norm()) <= 1e-11 * max(1.0, float(start_gradient.norm()))


@pytest.mark.parametrize("name", AT_START)
def test_only_the_unbounded_wave_has_no_minimum_and_no_target(name):
    problem = built(name)
    known = problem.minimum is not None and problem.target is not None and len(problem.minimisers) > 0
    assert known == (name != "wave")


@pytest.mark.parametrize("name", AT_START)
def test_a_frame_shows_the_start_and_a_minimiser_of_a_function_of_two_variables(name):
    problem = built(name)
    assert (problem.frame is not None) == (problem.dim == 2 and "hard" not in problem.tags)
    if problem.frame is not None:
        shown = [
            all(low < x < high for x, (low, high) in zip(point, problem.frame))
            for point in [problem.start([0])[0].tolist(), *problem.minimisers]
        ]
        assert shown[0]
        assert any(shown[1:])


LOCAL_MINIMA = [
    ("goldstein-price", (-0.6, -0.4), 30.0),
    ("three-hump-camel", (-1.747552345, 0.873776173), 0.2986384422),
    ("freudenstein-roth", (11.412778991, -0.896805233), 48.98425368),
    ("monkey-saddle", (0.0, 0.0), 0.0),
    ("saddle", (0.0, 0.0), 0.0),
    ("wave", (7.269387758,), -6.978140831),
]


@pytest.mark.parametrize(("name", "point", "value"), LOCAL_MINIMA)
def test_local_minima_and_saddles_are_where_the_literature_has_them(name, point, value):
    found, gradient = value_and_gradient(built(name), torch.tensor(point, dtype=torch.float64))
    assert found == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert float(gradient.norm()) < 1e-4  # nine decimals, times a curvature of ten thousand


@pytest.mark.parametrize("dim", [4, 7])
@pytest.mark.parametrize(
    "name", [name for name, spec in SPECS.items() if "dim" in spec.parameters and name != "watson"]
)
def test_facts_hold_in_any_dimension(name, dim):
    problem = SPECS[name].build(dim=dim)
    assert problem.dim == dim == problem.start([0]).shape[-1]
    for point in problem.minimisers:
        value, gradient = value_and_gradient(problem, torch.tensor(point, dtype=torch.float64))
        assert value == pytest.approx(problem.minimum, rel=1e-9, abs=1e-20)
        assert float(gradient.norm()) < 1e-9


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if "dim" in spec.parameters])
def test_a_dimension_that_makes_no_sense_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name} .*got 0"):
        SPECS[name].build(dim=0)


@pytest.mark.parametrize("name", ["ellipse-turned", "ellipsoid", "ellipsoid-rotated", "discus", "cigar"])
@pytest.mark.parametrize("condition", [0.5, math.nan, math.inf])
def test_a_condition_number_out_of_range_is_refused(name, condition):
    with pytest.raises(ValueError, match=f"{name} needs .*condition >= 1, got"):
        SPECS[name].build(condition=condition)


def test_a_target_is_a_thousandth_of_the_gap_above_the_minimum():
    assert built("mccormick").target == pytest.approx(-1.9132229549810367 + 2.9132229549810367e-3, rel=1e-12)
    assert built("ellipse").target == 1e-3  # the chapter's: stated


def test_points_outside_mccormicks_box_are_moved_to_its_border():
    x = torch.tensor([[5.0, 0.0], [-2.0, -9.0], [1.0, 1.0]], dtype=torch.float64)
    built("mccormick").project_(x)
    assert x.tolist() == [[4.0, 0.0], [-1.5, -3.0], [1.0, 1.0]]

"""What makes a problem an instance of its own: fingerprints, tags and repeated building."""

import pytest
import torch

from problems import bbob, chapter, classic, least_squares, online, quadratic, quadratic_deep, scalable

FAMILIES = (chapter, classic, scalable, bbob, least_squares, quadratic, quadratic_deep, online)
SPECS = {spec.name: spec for family in FAMILIES for spec in family.SPECS}

# Another value of every parameter there is.
OTHER = {
    "angle": 30.0, "condition": 50.0, "sigma": 0.7, "dim": 9, "batch": 7, "rotated": True, "noise": "sparse",
    "instance": 1, "shuffle": "once", "c": 4.0, "n": 6,
}  # fmt: skip

PINNED = {
    "ellipse": "34d95e0c246f3fa6",
    "ellipse-rotated": "1f30c286d03efd7a",
    "bowl-noisy": "271cf5944c74733c",
    "rosenbrock": "b8b1232f933d4621",
    "ellipsoid-rotated": "0cb1b43d7dbb7cbb",
    "watson": "301716c986db72f4",
    "quadratic": "cf6e65bc37b844fc",
    "quadratic(noise)": "63c3a0ac7bf1736e",
    "noisy-quadratic": "65cba3585ba20191",
    "quadratic-deep": "114c34133d0f2cac",
    "reddi-stochastic": "d824c14058e4817a",
    "finite-sum": "9b7867be4d93bead",
}


def elsewhere(spec):
    """A start beside the problem's own."""
    return tuple(value + 0.25 for value in spec.build().start([0])[0].tolist())


@pytest.fixture(scope="module")
def fingerprints():
    """The fingerprint of every problem, and of every problem with one parameter changed."""
    found = {}
    for name, spec in SPECS.items():
        found[name] = spec.build().fingerprint()
        for parameter in spec.parameters:
            value = elsewhere(spec) if parameter == "start" else OTHER[parameter]
            found[f"{name}({parameter})"] = spec.build(**{parameter: value}).fingerprint()
    return found


def test_no_two_problems_or_parameter_values_share_a_fingerprint(fingerprints):
    assert len(set(fingerprints.values())) == len(fingerprints)


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if "condition" in spec.parameters])
def test_a_whole_number_means_the_same_instance_as_the_float(name):
    build = SPECS[name].build
    assert build(condition=100).fingerprint() == build(condition=100.0).fingerprint()


def test_fingerprints_stay_what_they_were(fingerprints):
    assert {name: fingerprints[name] for name in PINNED} == PINNED


@pytest.mark.parametrize("name", SPECS)
def test_a_problem_states_its_family_and_how_hard_and_random_it_is(name):
    tags = SPECS[name].build().tags
    assert len(tags & {"chapter", "analytic", "quadratic", "online"}) >= 1
    assert len(tags & {"convex", "nonconvex"}) == 1
    assert len(tags & {"deterministic", "stochastic"}) == 1


@pytest.mark.parametrize("name", SPECS)
def test_the_tags_say_whether_seeds_matter(name):
    problem = SPECS[name].build()
    assert problem.deterministic == ("deterministic" in problem.tags)


@pytest.mark.parametrize("name", SPECS)
def test_building_a_problem_twice_gives_two_equal_ones(name):
    one, other = SPECS[name].build(), SPECS[name].build()
    assert torch.equal(one.start([1, 2]), other.start([1, 2]))
    assert one.definition() == other.definition()
    assert one.minimum == other.minimum

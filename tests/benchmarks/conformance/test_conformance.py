"""Every registered name passes the public conformance kit: one list of things, one list of properties."""

import numpy as np
import pytest
import torch

from benchmarks.conformance.optimizers import OPTIMIZER_CHECKS, RULE_CHECKS
from benchmarks.conformance.problems import PROBLEM_CHECKS
from benchmarks.conformance.report import check_name, check_optimizer, check_problem
from benchmarks.errors import UsageError
from benchmarks.implementations.implementation import implementation_of
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, make_optimizer, make_problem
from problems import images, resnet
from problems.data import Split


def failures(report):
    return [line for line in report.lines[:-1] if not line.startswith("ok")]


@pytest.fixture
def images_without_network(monkeypatch):
    """Downloaded images give way to others of the same shape, as long as the test runs."""
    draw = np.random.default_rng(0)
    inputs, labels = torch.from_numpy(draw.uniform(0, 1, (96, 784))).float(), torch.from_numpy(draw.integers(0, 10, 96))
    monkeypatch.setattr(images, "fashion_mnist", lambda *where: Split(inputs, labels, inputs, labels))
    images._fashion_mnist.cache_clear()
    coloured = torch.from_numpy(draw.integers(0, 256, (96, 3, 32, 32), dtype=np.uint8))
    monkeypatch.setattr(resnet, "downloaded_cifar_10", lambda: Split(coloured, labels, coloured, labels))
    monkeypatch.setattr(resnet, "CIFAR_10_ROWS", 96)
    yield
    images._fashion_mnist.cache_clear()


@pytest.mark.parametrize("name", [*OPTIMIZERS, "torch:RMSprop", "torch:AdamW", "torch:LBFGS(max_iter=2)"])
def test_every_optimizer_conforms(name):
    assert failures(check_optimizer(make_optimizer(name))) == []


@pytest.mark.parametrize(
    "written",
    [
        "momentum(lr_inside=True)",
        "nesterov(lr_inside=True)",
        "momentum(dampening=0.5)",
        "adagrad(start=0.1)",
        "rmsprop(first_square=True)",
        "adam(eps_inside=True)",
        "adam(eps_hat=True)",
        "adam(corrected=False)",
    ],
)
def test_every_option_by_which_frameworks_differ_conforms(written):
    assert failures(check_optimizer(implementation_of(written).spec)) == []


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("momentum-ema(dampening=0.5)", "an average has no dampening besides its own"),
        ("rmsprop(first_square=True, start=1)", "an average that starts at the first square has no other start"),
        ("adam(eps_inside=True, eps_hat=True)", "eps stands in one place"),
    ],
)
def test_options_that_exclude_each_other_are_refused(written, sentence):
    with pytest.raises(UsageError, match=sentence):
        implementation_of(written)


SLOW = {
    *("mnist-resnet", "cifar-10-resnet", "mnist-lenet", "fashion-mnist-lenet"),  # digits-cnn convolves too
    *("text-gru", "text-transformer"),  # char-gru and tiny-transformer at other sizes
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in PROBLEMS])
def test_every_problem_conforms(name, images_without_network, tables_without_packages):
    assert failures(check_problem(make_problem(name))) == []


@pytest.mark.parametrize("name", [*OPTIMIZERS, *PROBLEMS])
def test_every_name_is_written_in_lower_case_and_described_with_its_source_in_one_line(name):
    spec = OPTIMIZERS[name] if name in OPTIMIZERS else PROBLEMS[name]
    source = spec.reference if name in OPTIMIZERS else spec.source
    assert name == spec.name == name.lower()
    assert " " not in name
    for text in (spec.description, source):
        assert text.strip()
        assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("ellipse", PROBLEM_CHECKS),
        ("quadratic(dim=3)", PROBLEM_CHECKS),
        ("problems.classification:two_spirals", PROBLEM_CHECKS),
        ("rmsprop", OPTIMIZER_CHECKS + RULE_CHECKS),
        ("optimizers.rmsprop:RMSProp(eps_inside=False)", OPTIMIZER_CHECKS + RULE_CHECKS),
        ("torch:SGD", OPTIMIZER_CHECKS),
        ("torch.optim:SGD", OPTIMIZER_CHECKS),
    ],
)
def test_a_name_is_checked_as_what_it_names(text, checks):
    report = check_name(text)
    names = [check.__name__ for check in checks]
    own = [] if text.startswith("torch") else ["compiled"]  # of a foreign class nothing is
    assert (report.name, [finding.check for finding in report.findings]) == (text, [*names, *own])
    assert report.ok


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("elipse", "nothing is named 'elipse', did you mean 'ellipse'"),
        ("rmsprob", "nothing is named 'rmsprob', did you mean 'rmsprop'"),
        ("problems.analytic:Analytic", "problem 'problems.analytic:Analytic': .* missing"),
        ("problems:BUILTIN", "is no OptimizerSpec, Rule or torch.optim.Optimizer class"),
    ],
)
def test_a_name_of_nothing_is_answered_with_the_nearest_of_either_kind(text, words):
    with pytest.raises(UsageError, match=words):
        check_name(text)


def test_no_name_means_both_an_optimizer_and_a_problem():
    assert set(OPTIMIZERS).isdisjoint(PROBLEMS)

"""Every registered name passes the public conformance kit: one list of things, one list of properties."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.registry import OPTIMIZERS, PROBLEMS, make_optimizer, make_problem
from benchmarks.testing import check_optimizer, check_problem
from problems.data import Split


def failures(report):
    return [line for line in report.lines[:-1] if not line.startswith("ok")]


def stand_in_images(features, classes):
    draw = np.random.default_rng(0)
    inputs = torch.from_numpy(draw.uniform(0, 1, (96, features))).float()
    labels = torch.from_numpy(draw.integers(0, classes, 96))
    return Split(inputs, labels, inputs, labels)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "torch:RMSprop", "torch:AdamW", "torch:LBFGS(max_iter=2)"])
def test_every_optimizer_conforms(name):
    assert failures(check_optimizer(make_optimizer(name))) == []


@pytest.mark.parametrize("name", list(PROBLEMS))
def test_every_problem_conforms(name):
    problem = make_problem(name)
    if "network-access" in problem.tags:  # its images are downloaded: checked on others of the same shape
        images = stand_in_images(problem.data.features, problem.data.classes)
        problem.data = replace(problem.data, load=lambda: images)
    assert failures(check_problem(problem)) == []


@pytest.mark.parametrize("name", [*OPTIMIZERS, *PROBLEMS])
def test_every_name_is_written_in_lower_case_and_described_with_its_source_in_one_line(name):
    spec = OPTIMIZERS[name] if name in OPTIMIZERS else PROBLEMS[name]
    source = spec.reference if name in OPTIMIZERS else spec.source
    assert name == spec.name == name.lower()
    assert " " not in name
    for text in (spec.description, source):
        assert text.strip()
        assert "\n" not in text


def test_no_name_means_both_an_optimizer_and_a_problem():
    assert set(OPTIMIZERS).isdisjoint(PROBLEMS)

"""Exhibits whose options leave nothing usual: one seed, few steps, everything diverging. Measured, kept, and told."""

from __future__ import annotations

import pytest

from analysis.chapter.page import PARTS
from analysis.record.exhibits import load_exhibits
from benchmarks.errors import SuiteError
from benchmarks.exhibits import make_question
from benchmarks.record.folder import RecordFolder
from benchmarks.running.jobs import exhibit_jobs
from benchmarks.suite.suite import Suite

ODD = {
    "memory": ("steps = 3\ngammas = [0.99]", "At γ = 0.99 the window 1/(1 − γ) is 100 steps"),
    "stall": (
        "steps = 30\nseeds = 1\ncycle_steps = 50\nlrs = [0.4]\ngammas = [0.9]",
        "its two-cycle, which theory puts at 0.084, takes longer to settle",
    ),
    "variants": ("seeds = 1", "(0.246): all differences together shift it by"),
    "rotation": (
        "angles = 3\nconditions = [20.0]\npoints = 2\nlow = 5.0\nhigh = 10.0\nsteps = 25",
        "as high as RMSProp at 0°",
    ),
    "real-problem": (
        'images = "mnist"\nhidden = 4\nsteps = 12\nlrs = [1e6]\ntuning_seeds = 1\ntest_seeds = 1\nevaluations = 2',
        "No schedule finished on every test seed",
    ),
    "gamma-schedules": (
        'on = ["square"]\nfew = []\nseeds = 1\ntuning_seeds = 1\nlrs = [0.01]\ntuned_lrs = [1e9]\ngammas = [0.9]\n'
        "sums = [2]\nsum_steps = 20\nsum_seeds = 1",
        "is the missing bias correction",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_options_are_measured_and_told_without_a_failure(name, tmp_path):
    options, told = ODD[name]
    text = f'name = "odd"\nproblems = ["ellipse"]\noptimizers = ["sgd"]\nexhibits = ["{name}"]\n[exhibit.{name}]\n'
    suite = Suite.parse(text + options, "test")
    record = RecordFolder(tmp_path)
    record.open(suite)
    for job in exhibit_jobs(suite, record, None, None):
        job.run()
    part = PARTS[name](load_exhibits(tmp_path)[name])
    assert told in " ".join(part.answer)
    assert "nan" not in " ".join(part.answer)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rotation", {"conditions": [4.0, 100.0]}, "conditions: must hold 20, the book's"),
        ("rotation", {"angles": 2}, "angles: .*greater than or equal to 3"),
        ("stall", {"lrs": [0.1]}, "lrs: .*must hold 0.4, the book's"),
        ("stall", {"gammas": [0.5]}, "gammas: .*must hold 0.9, the book's"),
        ("stall", {"steps": 20}, "steps: .*greater than 20"),
        ("memory", {"gammas": [1.0]}, "gammas.0: .*less than 1"),
    ],
)
def test_what_an_exhibit_needs_cannot_be_left_out(name, options, message):
    with pytest.raises(SuiteError, match=rf"exhibit '{name}': {message}"):
        make_question(name, options)

"""Each check of a problem fails for a problem that breaks just what it looks at, and says so in a sentence."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from benchmarks.conformance.problems import PROBLEM_CHECKS
from benchmarks.conformance.report import check_problem
from problems import Facts, Problem
from problems.problem import generator


@dataclass(frozen=True)
class Bowl(Problem):
    """A sound problem with data: half the mean squared distance to random points; what the broken ones start from."""

    facts = Facts(dim=3, minimum=0.0, minimisers=((1.0, 1.0, 1.0),), deterministic=False, steps=10)

    def start(self, seeds):
        rows = [generator(seed, "start").standard_normal(3) for seed in seeds]
        return torch.from_numpy(np.stack(rows))

    def batches(self, seeds, steps):
        generators = [generator(seed, "rows") for seed in seeds]
        for _ in range(steps):
            yield torch.from_numpy(np.stack([g.uniform(0.5, 1.5, 3) for g in generators]))

    def loss(self, x, batch):
        return ((x - 1).square() * (1 if batch is None else batch)).sum(-1) / 2

    def evaluate(self, x):
        return {"loss": self.loss(x, None)}


class NoSteps(Bowl):
    facts = replace(Bowl.facts, steps=0)


class UnreachableTarget(Bowl):
    facts = replace(Bowl.facts, target=-1.0)


class FactStatedTwice(Bowl):
    @property
    def minimum(self):
        return 0.5


class StartInSinglePrecision(Bowl):
    def start(self, seeds):
        return super().start(seeds).float()


class StartOfTheFirstSeedForAll(Bowl):
    def start(self, seeds):
        together = generator(seeds[0], "start")
        return torch.from_numpy(together.standard_normal((len(seeds), 3)))


class LossOverAllLanes(Bowl):
    def loss(self, x, batch):
        return super().loss(x, batch).mean()


class LossWritesTheBatch(Bowl):
    def loss(self, x, batch):
        return super().loss(x, batch if batch is None else batch.mul_(2))


class NoLossAmongTheMetrics(Bowl):
    def evaluate(self, x):
        return {"accuracy": self.loss(x, None)}


class InfiniteAtTheStart(Bowl):
    def evaluate(self, x):
        return {"loss": super().loss(x, None) / 0}


class WrongMinimum(Bowl):
    facts = replace(Bowl.facts, minimum=-0.5)


class MinimiserElsewhere(Bowl):
    facts = replace(Bowl.facts, minimisers=((1.0, 1.0, 1.001),))

    def evaluate(self, x):
        return {"loss": self.loss(x, None).mul(1e-3)}


class SlopeAtTheMinimiser(Bowl):
    facts = replace(Bowl.facts, minimum=None)


class SaddleForAMinimum(Bowl):
    def evaluate(self, x):
        return {"loss": (x - 1).sum(-1)}


class BeatenMinimum(Bowl):
    facts = replace(Bowl.facts, minimum=1.0, minimisers=())


class DetachedGradient(Bowl):
    def loss(self, x, batch):
        return super().loss(x, batch) + x.detach().square().sum(-1)


class GradientOfZero(Bowl):
    def loss(self, x, batch):
        return super().loss(x, batch) + (x.abs() * torch.nan).where(x > 1e9, x * 0).sum(-1)


class LanesNormalisedTogether(Bowl):
    def loss(self, x, batch):
        return super().loss(x / x.detach().norm() * x.detach().norm(), batch) + 0 * x.sum()


class LanesSharingAScale(Bowl):
    def loss(self, x, batch):
        return super().loss(x, batch) * (1 + x.detach().abs().amax())


class DataOfTheOthers(Bowl):
    def batches(self, seeds, steps):
        for batch in super().batches(seeds, steps):
            yield batch + len(seeds)


class DataFromAnywhere(Bowl):
    drawn = np.random.default_rng(0)

    def batches(self, seeds, steps):
        for batch in super().batches(seeds, steps):
            yield batch + self.drawn.uniform()


class SeedsThatChangeNothing(Bowl):
    def start(self, seeds):
        return super().start([0]).expand(len(seeds), -1).clone()

    def batches(self, seeds, steps):
        for batch in super().batches([0], steps):
            yield batch.expand(len(seeds), -1)


class DeterministicOnlyInName(Bowl):
    facts = replace(Bowl.facts, deterministic=True)


class DataThatKnowsTheEnd(Bowl):
    def batches(self, seeds, steps):
        for batch in super().batches(seeds, steps):
            yield batch * steps


class DataThatEndsEarly(Bowl):
    def batches(self, seeds, steps):
        yield from super().batches(seeds, steps - 1)


class GlobalNoise(Bowl):
    def evaluate(self, x):
        return {"loss": self.loss(x, None) + 0 * torch.rand(())}


class FingerprintOfTheMoment(Bowl):
    asked = itertools.count()

    def definition(self):
        return {"asked": next(self.asked)}


class ShortFingerprint(Bowl):
    def fingerprint(self):
        return "bowl"


BROKEN = [
    (NoSteps, "facts_are_stated", "steps is 0"),
    (UnreachableTarget, "facts_are_stated", "can never be reached"),
    (FactStatedTwice, "facts_are_stated", "minimum is 0.5, and 0.0 in facts"),
    (StartInSinglePrecision, "starts_are_shaped", "torch.float32"),
    (StartOfTheFirstSeedForAll, "starts_are_shaped", "each seed's numbers from its own generator"),
    (LossOverAllLanes, "losses_are_shaped", "reduce over the last axes only"),
    (LossWritesTheBatch, "losses_are_shaped", "in place"),
    (NoLossAmongTheMetrics, "evaluations_are_finite", "evaluate gives accuracy"),
    (InfiniteAtTheStart, "evaluations_are_finite", "inf"),
    (WrongMinimum, "minimisers_are_minima", "not the minimum -0.5"),
    (SlopeAtTheMinimiser, "minimisers_are_minima", "without a minimum"),
    (SaddleForAMinimum, "minimisers_are_minima", "the loss falls with slope 1"),
    (BeatenMinimum, "minimum_is_not_beaten", "below the minimum 1"),
    (DetachedGradient, "gradients_are_right", "detach()"),
    (LanesSharingAScale, "lanes_equal_alone", "among others and"),
    (DataOfTheOthers, "lanes_equal_alone", "seed 0 alone is given other data"),
    (LanesNormalisedTogether, "lanes_are_isolated", "when one lane became NaN"),
    (DataFromAnywhere, "seeds_fix_the_data", "between two calls with the same seeds"),
    (SeedsThatChangeNothing, "seeds_fix_the_data", "deterministic is False"),
    (DeterministicOnlyInName, "seeds_fix_the_data", "deterministic is True"),
    (DataThatKnowsTheEnd, "data_has_a_prefix", "must not depend on the run's length"),
    (DataThatEndsEarly, "data_has_a_prefix", "yield one a step"),
    (GlobalNoise, "global_randomness_is_untouched", "generator(seed, purpose)"),
    (FingerprintOfTheMoment, "fingerprint_is_stable", "the fingerprint changed"),
    (ShortFingerprint, "fingerprint_is_stable", "16 hex digits"),
]


def test_the_problem_they_all_start_from_conforms():
    assert str(check_problem(Bowl())).splitlines()[-1] == "Bowl: 13 of 13 checks passed"


@pytest.mark.parametrize(("broken", "check", "words"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_problem_fails_the_check_of_what_is_broken(broken, check, words):
    findings = {finding.check: finding for finding in check_problem(broken()).findings}
    assert not findings[check].ok
    assert words in findings[check].complaint


def test_every_check_of_a_problem_can_fail():
    assert {check for _, check, _ in BROKEN} == {check.__name__ for check in PROBLEM_CHECKS}


def test_an_exception_is_a_complaint_and_stops_no_other_check():
    class Explosive(Bowl):
        def evaluate(self, x):
            raise ZeroDivisionError("no data")

    report = check_problem(Explosive())
    assert [f.complaint for f in report.findings if f.check == "evaluations_are_finite"] == [
        "ZeroDivisionError: no data"
    ]
    assert {f.check for f in report.findings if f.ok} >= {
        "facts_are_stated",
        "gradients_are_right",
        "data_has_a_prefix",
    }


def test_a_complaint_that_comes_again_is_shown_once():
    class Explosive(Bowl):
        def loss(self, x, batch):
            raise ZeroDivisionError("no data")

    lines = check_problem(Explosive()).lines
    assert lines.count("      ZeroDivisionError: no data") == 1
    assert lines.count("      as above") > 1


def test_a_report_shows_each_requirement_its_complaint_and_a_count():
    lines = check_problem(NoSteps()).lines
    assert lines[0].startswith("FAIL  Its facts are sound: ")
    assert lines[1] == "      steps is 0; state it as an integer of at least 1"
    assert lines[2].startswith("ok    ")
    assert lines[-1] == "NoSteps: 12 of 13 checks passed"


def test_a_minimum_on_the_border_of_what_is_feasible_may_have_a_slope():
    class Border(Bowl):
        facts = replace(Bowl.facts, minimum=0.5, minimisers=((0.0, 1.0, 1.0),))

        def start(self, seeds):
            return super().start(seeds).clamp(max=0)

        def project_(self, x):
            x[..., 0].clamp_(max=0)

    assert check_problem(Border()).ok


def test_a_minimum_at_a_kink_is_a_minimum():
    class Kink(Bowl):
        def loss(self, x, batch):
            return ((x - 1).abs() * (1 if batch is None else batch)).sum(-1)

    assert check_problem(Kink()).ok

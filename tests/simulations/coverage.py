"""How often intervals hold what they are of, and how often tests claim a difference that is none, by simulation.

    python tests/simulations/coverage.py [--repeats 1000]

Runs are drawn from distributions of known median: what a study finds is luck (normal, heavy-tailed, skewed, or of two
kinds), to which every test seed adds noise that all studies share and noise of its own. A table for every kind of
interval, and one for the tests. Nothing is trained: `same_optimizer.py` beside this file asks real studies.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Side, difference, holm, resolved, study_difference
from analysis.measures.ranking import interquartile_mean, stratified
from analysis.statistics.bootstrap import ALPHA, covered, estimate_of_studies, median_interval, typical

Array = npt.NDArray[np.float64]
Luck = Callable[[np.random.Generator, int], Array]

LUCKS: Mapping[str, Luck] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy tails": lambda rng, n: rng.standard_t(2, size=n),
    "skewed": lambda rng, n: rng.exponential(size=n),
    "two kinds, 1:1": lambda rng, n: rng.choice([0.0, 3.0], size=n) + 0.01 * rng.normal(size=n),
    "two kinds, 1:9": lambda rng, n: np.where(rng.random(n) < 0.1, 3.0, 0.0) + 0.1 * rng.normal(size=n),
}
"""What a study ends at, in decades."""
NOISES = {"none": (0.0, 0.0), "shared": (0.5, 0.2), "own": (0.2, 0.5)}
"""The noise of a test seed that all studies share, and that of a single run, in decades."""
GAP = Measure.of(0.0, 1e9, 0.0)


def runs(rng: np.random.Generator, luck: Luck, studies: int, shared: Array, own: float) -> Array:
    """Gaps ``[K, S]`` of studies with that luck; ``shared`` ``[S]`` is the noise of the seeds."""
    levels = luck(rng, studies)[:, None] + shared + own * rng.normal(size=(studies, shared.size))
    return np.asarray(10.0**levels)


def medians(repeats: int) -> None:
    """The interval of a setting's median over seeds."""
    print("\nThe median of one setting over seeds: stated coverage, and measured")
    for n in (3, 5, 10, 20, 30):
        held = []
        for name in ("normal", "heavy tails", "skewed"):
            rng = np.random.default_rng(n)
            truth = float(np.median(LUCKS[name](rng, 400_000)))
            found = [median_interval(LUCKS[name](rng, n)) for _ in range(repeats)]
            held.append(f"{name} {np.mean([each.low <= truth <= each.high for each in found]):.1%}")
        print(f"  {n:3d} seeds  stated {covered(n):.1%}  {'  '.join(held)}")


def studies_interval(repeats: int) -> None:
    """The interval of a tuned result over studies and ten seeds."""
    print(
        "\nThe typical study, over studies and 10 seeds: stated coverage, and measured by luck and noise of the seeds"
    )
    for studies in (3, 4, 5, 8):
        print(f"  {studies} studies  stated {covered(studies):.1%}")
        for name, luck in LUCKS.items():
            held = []
            for noise, (between, within) in NOISES.items():
                rng = np.random.default_rng(studies)
                seeds = 1 if noise == "none" else 10
                truth = np.median(luck(rng, 400_000))
                hit = 0
                for _ in range(repeats // 4):
                    found = estimate_of_studies(
                        runs(rng, luck, studies, between * rng.normal(size=seeds), within), resamples=400
                    )
                    hit += found.low <= 10.0**truth <= found.high
                held.append(f"{noise} {hit / (repeats // 4):.1%}")
            print(f"    {name:15s} {'  '.join(held)}")


def interquartile(repeats: int) -> None:
    """The interval of the interquartile mean across problems, its best resampled with it."""
    print("\nThe interquartile mean over 6 problems, 3 contenders, 10 seeds: 90% stated, and measured")
    for studies in (1, 3):
        rng = np.random.default_rng(studies)
        centres = rng.normal(3.0, 0.5, size=(6, 3))  # decades of progress

        def made(problem: int, count: int, seeds: int, rng: np.random.Generator, centres: Array = centres) -> Array:
            luck = 0.3 * rng.normal(size=(3, count, 1)) * (count > 1)
            noise = 0.2 * rng.normal(size=(1, 1, seeds)) + 0.2 * rng.normal(size=(3, count, seeds))
            return np.asarray(np.clip(centres[problem][:, None, None] + luck + noise, 0, None))

        def shares(parts: list[Array]) -> list[Array]:
            return [part / max(float(typical(each)) for each in part) for part in parts]

        many = shares([made(problem, 200 if studies > 1 else 1, 2000, rng) for problem in range(6)])
        truth = [
            float(interquartile_mean(np.concatenate([part[contender].ravel() for part in many])))
            for contender in range(3)
        ]
        hit = []
        for _ in range(repeats // 4):
            parts = shares([made(problem, studies, 10, rng) for problem in range(6)])
            found = stratified(parts, interquartile_mean)
            hit += [each.low <= true <= each.high for each, true in zip(found, truth, strict=True)]
        print(f"  {studies} stud{'y' if studies == 1 else 'ies'} a contender: {np.mean(hit):.1%}")


def tests(repeats: int) -> None:
    """Claims of a difference between two copies, and the difference that is found four times in five."""
    print(f"\nCopies told apart at {ALPHA:.0%}, by luck and noise of the seeds; 10 seeds where there is noise")
    for studies in (3, 5, 8):
        for name, luck in LUCKS.items():
            told = []
            for noise, (between, within) in NOISES.items():
                rng = np.random.default_rng(studies)
                seeds = 1 if noise == "none" else 10
                count = 0
                for _ in range(repeats):
                    shared = between * rng.normal(size=seeds)
                    a, b = (runs(rng, luck, studies, shared, within) for _ in range(2))
                    count += difference(a, b, GAP).p_value <= ALPHA
                told.append(f"{noise} {count / repeats:.1%}")
            print(f"  {studies} studies  {name:15s} {'  '.join(told)}")
    print("\nAny of nine copies told apart from the first, after Holm")
    for studies in (3, 5):
        rng, count = np.random.default_rng(studies), 0
        for _ in range(repeats // 4):
            shared = 0.5 * rng.normal(size=10)
            first, *others = (Side.of(runs(rng, LUCKS["heavy tails"], studies, shared, 0.2), GAP) for _ in range(10))
            count += min(holm([study_difference(first, each, GAP).p_value for each in others])) <= ALPHA
        print(f"  {studies} studies: {count / (repeats // 4):.1%}")
    print("\nThe difference found 4 times in 5, in standard deviations among studies")
    for studies in (3, 4, 5, 8, 16):
        print(f"  {studies:2d} studies: " + "  ".join(f"{n} tests {resolved(studies, n):.2f}" for n in (1, 4, 9, 28)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="simulated experiments a number (default: 1000)")
    asked = parser.parse_args().repeats
    for part in (medians, studies_interval, interquartile, tests):
        part(asked)

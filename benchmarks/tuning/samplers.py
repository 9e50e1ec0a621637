"""Optuna's samplers, pinned: how the trials of a block are drawn.

A sampler is a function of (study, block): it is built anew for every block from a seed of both, so that a resumed study
asks what an uninterrupted one would have asked. QMC continues one scrambled sequence over all blocks. Grids are
enumerated, not sampled.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.suite.settings import Tuning
from benchmarks.tuning.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

__all__ = ["ask_quietly", "grid_points", "grid_shape", "make_sampler", "seed_of", "trial_count"]


def make_sampler(
    tuning: Tuning, distributions: Mapping[str, BaseDistribution], study_name: str, block: int
) -> BaseSampler:
    """The sampler of block number ``block`` of the study called ``study_name``.

    ``distributions`` are the searched space in Optuna's terms, which the sampler knows from the first block on. Optuna
    calls some of them, and some of their arguments, experimental; its version is pinned, and users need not be told.
    """
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _sampler(tuning, distributions, study_name, block)


def _sampler(tuning: Tuning, distributions: Mapping[str, BaseDistribution], study_name: str, block: int) -> BaseSampler:
    from optuna import samplers

    seed = seed_of(study_name, block)
    if tuning.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    if tuning.sampler == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=tuning.block, deterministic_objective=False)
    if tuning.sampler == "tpe":
        return samplers.TPESampler(
            seed=seed, n_startup_trials=tuning.block, multivariate=len(tuning.objective) == 1, constant_liar=True
        )
    known = dict(sorted(distributions.items()))  # else the first block would be drawn at random, to learn the space
    if tuning.sampler == "qmc":
        from benchmarks.tuning.sequence import KnownSpaceQMC

        return KnownSpaceQMC(known, seed_of(study_name, 0))

    class KnownSpaceCmaEs(samplers.CmaEsSampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:  # noqa: ARG002
            return known

    return KnownSpaceCmaEs(seed=seed, popsize=tuning.block, n_startup_trials=0, warn_independent_sampling=False)


def ask_quietly(study: optuna.Study, distributions: Mapping[str, BaseDistribution]) -> optuna.Trial:
    """The next trial of ``study``, without GP's warning that it clips ``inf``: diverged trials are told ``inf``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Clip non-finite values")
        return study.ask(dict(distributions))


def seed_of(study_name: str, block: int) -> int:
    """A 32-bit seed that is a function of the study's name and the number of the block."""
    return int.from_bytes(hashlib.sha256(f"{study_name}\n{block}".encode()).digest()[:4])


def trial_count(tuning: Tuning, space: Space) -> int:
    """The number of trials a study makes: as many as asked for, or the largest grid that is not more."""
    return math.prod(grid_shape(tuning.trials, len(space.searched))) if tuning.sampler == "grid" else tuning.trials


def grid_shape(trials: int, axes: int) -> list[int]:
    """How many points a grid of at most ``trials`` points has along each of ``axes`` axes; the larger come first."""
    shape: list[int] = []
    left = trials
    for remaining in range(axes, 0, -1):
        side = math.ceil(round(left ** (1 / remaining), 9)) if remaining > 1 else left
        shape.append(max(1, side))
        left //= shape[-1]
    return shape


def grid_points(space: Space, trials: Sequence[int], count: int) -> list[dict[str, float]]:
    """The searched values of the grid points numbered ``trials``, in a grid of at most ``count`` points."""
    shape = grid_shape(count, len(space.searched))
    axes = [knob.grid(side) for knob, side in zip(space.searched, shape, strict=True)]
    points = list(itertools.product(*axes))
    return [dict(zip((knob.name for knob in space.searched), points[trial], strict=True)) for trial in trials]

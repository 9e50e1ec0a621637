"""Optuna's sampler of even trials, whose sequence is made once and not anew for every trial; it imports Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution

__all__ = ["KnownSpaceQMC"]


class KnownSpaceQMC(optuna.samplers.QMCSampler):
    """The scrambled Sobol sequence of ``seed`` over the searched space ``known``, from the first trial on.

    Optuna keeps its place in the sequence with the study, makes and scrambles the sequence anew for every trial, and
    winds it on to there: half of what asking takes. Here it is kept, and wound on from where it is.
    """

    def __init__(self, known: Mapping[str, BaseDistribution], seed: int) -> None:
        super().__init__(scramble=True, seed=seed)
        self.known, self.seed = dict(known), seed
        self.sequence: Any = None  # scipy's engine

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:  # noqa: ARG002
        return self.known

    def _sample_qmc(self, study: Any, search_space: dict[str, BaseDistribution]) -> npt.NDArray[np.float64]:
        """The point ``[1, P]`` of the unit cube that is the study's next; points are bits, so that it is Optuna's."""
        from scipy.stats.qmc import Sobol

        place = self._find_sample_id(study, search_space)
        if self.sequence is None or self.sequence.num_generated > place:  # another process of a shared study is ahead
            self.sequence = Sobol(len(search_space), scramble=True, seed=self.seed)
        if place > self.sequence.num_generated:
            self.sequence.fast_forward(place - self.sequence.num_generated)
        point: npt.NDArray[np.float64] = self.sequence.random(1)
        return point

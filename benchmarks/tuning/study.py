"""Tuning a cell, one study of it: an Optuna study that asks a block of trials, trains all their lanes at once, and
tells.

A study is a pure function of its cell and its number. It lives in memory, its sampler is built anew for every block,
and the traces of its blocks are kept while it runs: interrupted and resumed, it asks the same, reads what was trained,
and ends with the same trials, to the bit. A configuration that diverged on a tuning seed is told as ``inf``, one that
was pruned as PRUNED with its intermediate values; neither is told as nan, which Optuna would drop.

With a storage of the user's the study lives there instead, written trial by trial, and other processes and machines may
ask and tell trials of it at the same time; its trials then depend on the order in which they ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from benchmarks.engine.kernel_lanes import planned
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.suite.judging import PrunerKind
from benchmarks.suite.settings import Tuning
from benchmarks.tuning.objectives import intermediate_values, trial_values
from benchmarks.tuning.pruning import OptunaRule, make_rungs, optuna_pruner
from benchmarks.tuning.session import Session
from benchmarks.tuning.space import Space
from benchmarks.tuning.trials import Block, State, Study, Trial, Winner

__all__ = ["tune"]


def tune(
    name: str,
    training: Training,
    space: Space,
    tuning: Tuning,
    checkpoints: Checkpoints | None = None,
    storage: str | None = None,
    first: Mapping[str, float] | None = None,
) -> Study:
    """Search ``space`` with ``tuning.trials`` trials, and wider ones where the winner is at the edge and the suite
    allows.

    ``training`` is what every trial trains; what the sampler draws depends on the ``name``. A setting ``first``, the
    defaults as a rule, is tried as trial 0, beside those asked for, where it lies in the space: what is found is never
    worse on these seeds. The study is kept at the URL ``storage``, in memory where it is None. Raises `OutOfTime` at a
    block's end after the deadline of ``checkpoints``.
    """
    checkpoints = checkpoints or Checkpoints()
    blocks = -(-(tuning.trials + (first is not None)) // tuning.block)
    training = planned(training, blocks * [tuning.block * len(training.seeds)])
    if first is not None:
        first = {knob.name: first[knob.name] for knob in space.searched} if space.holds(first) else None
    study = _search(name, training, space, tuning, checkpoints, storage, first)
    for number in range(1, tuning.widen + 1):
        if study.winner is None or not study.winner.at_edge:
            break
        wider = study.space.widened(study.winner.values)
        if wider == study.space:  # it cannot grow further
            break
        again = _search(f"{name} widened {number}", training, wider, tuning, checkpoints, storage)
        study = _joined(study, again, number)
    return study


def _search(
    name: str,
    training: Training,
    space: Space,
    tuning: Tuning,
    checkpoints: Checkpoints,
    storage: str | None,
    first: Mapping[str, float] | None = None,
) -> Study:
    """One search of one space."""
    blocks: list[Block] = []
    target = training.problem.target
    kept_at = Session(name, space, tuning, optuna_pruner(tuning), storage, first, checkpoints.deadline)
    with closing(kept_at) as session:
        while trials := session.ask(len(blocks)):
            columns = {knob.name: [trial[knob.name] for trial in trials.values] for knob in space.searched}
            values = {knob: torch.tensor(column, dtype=torch.float64) for knob, column in columns.items()}
            finished = _finished_values(tuning, blocks) if tuning.pruner.kind is PrunerKind.MEDIAN else {}
            rungs = make_rungs(tuning, len(blocks), training.evaluations, finished, trials.handles, target)
            asked = Configurations({**space.fixed, **values})
            make = partial(train, training, on_rung=rungs, on_segment=checkpoints.count)
            trace = checkpoints.trace(f"block-{len(blocks):04d}", asked, make)
            if isinstance(rungs, OptunaRule):
                rungs.catch_up(trace)
            block = Block(len(blocks), trials.numbers, values, trial_values(training.problem, tuning, trace), trace)
            session.tell(trials, block)
            blocks.append(block)
        others = session.others({number for block in blocks for number in block.trial_numbers})
    return _study(space, blocks, others, 0, session.seconds, session.before)


def _joined(first: Study, again: Study, widened: int) -> Study:
    """Two searches as one study: the second's blocks and trials are numbered on, the winner is that of both."""
    offset = 1 + max(trial.number for trial in first.trials)
    blocks = [*first.blocks]
    for block in again.blocks:
        numbers = [offset + number for number in block.trial_numbers]
        blocks.append(replace(block, number=len(blocks), trial_numbers=numbers))
    others = [*first.others, *(replace(other, number=offset + other.number) for other in again.others)]
    seconds = first.sampling_seconds + again.sampling_seconds
    return _study(again.space, blocks, others, widened, seconds, first.before)


def _finished_values(tuning: Tuning, blocks: Sequence[Block]) -> dict[int, Tensor]:
    """At each evaluated step, the values of the trials that finished."""
    finished: dict[int, list[float]] = {}
    for block in blocks:
        for state, pairs in zip(block.states, intermediate_values(tuning, block.trace), strict=True):
            for step, value in pairs if state is State.COMPLETE else ():
                finished.setdefault(step, []).append(value)
    return {step: torch.tensor(values) for step, values in finished.items()}


def _study(
    space: Space, blocks: Sequence[Block], others: Sequence[Trial], widened: int, sampling_seconds: float, before: int
) -> Study:
    """The study with its winner: the complete trial with the lowest (first) objective, the earliest of equals."""
    study = Study(space, blocks, None, widened, sampling_seconds, others, before)
    complete = [trial for trial in study.trials if trial.state is State.COMPLETE]
    if not complete:
        return study
    best = min(complete, key=lambda trial: (trial.objectives[0], trial.number))
    values = {**best.values, **space.fixed}
    return replace(study, winner=Winner(best.number, best.objectives[0], values, space.at_edge(values)))

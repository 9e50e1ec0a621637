"""Tuning a cell: an Optuna study that asks a block of trials, trains all their lanes at once, and tells.

A study is a pure function of its cell. It lives in memory, its sampler is built anew for every block, and the traces of
its blocks are kept while it runs: broken off and taken up again, it asks the same, reads what was trained, and ends
with the same trials, to the bit. A configuration that diverged on a tuning seed is told ``inf``, one that was pruned
is told PRUNED with its intermediate values; neither is ever nan, which Optuna would forget.

With a storage of the user's the study lives there instead, written trial by trial, and other processes and machines may
work on it at the same time; which trials it has then depends on who asked when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.engine.training import Configurations, Training, train
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.suite.settings import Tuning
from benchmarks.tuning.objectives import intermediate_values, trial_values
from benchmarks.tuning.pruning import OptunaRule, make_rungs, optuna_pruner
from benchmarks.tuning.session import Session
from benchmarks.tuning.space import Space
from benchmarks.tuning.trials import Block, Study, Winner

__all__ = ["tune"]


def tune(
    name: str,
    training: Training,
    space: Space,
    tuning: Tuning,
    work: Checkpoints | None = None,
    storage: str | None = None,
) -> Study:
    """Search ``space`` with ``tuning.trials`` trials, and wider ones where the winner is at the edge and the suite
    allows.

    ``training`` is what every trial trains; what the sampler draws depends on the ``name``. Raises `OutOfTime` at a
    block's end after the deadline of ``work``.
    """
    work = work or Checkpoints()
    study = _search(name, training, space, tuning, work, storage)
    for number in range(1, tuning.widen + 1):
        if study.winner is None or not study.winner.at_edge:
            break
        wider = study.space.widened(study.winner.values)
        if wider == study.space:  # it cannot grow further
            break
        again = _search(f"{name} widened {number}", training, wider, tuning, work, storage)
        study = _joined(study, again, number)
    return study


def _search(
    name: str, training: Training, space: Space, tuning: Tuning, work: Checkpoints, storage: str | None
) -> Study:
    """One search of one space."""
    blocks: list[Block] = []
    target = training.problem.target
    with closing(Session(name, space, tuning, optuna_pruner(tuning), storage)) as session:
        while trials := session.ask(len(blocks)):
            columns = {knob.name: [trial[knob.name] for trial in trials.values] for knob in space.searched}
            values = {knob: torch.tensor(column, dtype=torch.float64) for knob, column in columns.items()}
            finished = _finished_values(tuning, blocks) if tuning.pruner == "median" else {}
            rungs = make_rungs(tuning, len(blocks), training.evaluations, finished, trials.handles, target)
            asked = Configurations({**space.fixed, **values})
            trace = work.trace(f"block-{len(blocks):04d}", asked, partial(train, training, on_rung=rungs))
            if isinstance(rungs, OptunaRule):
                rungs.catch_up(trace)
            block = Block(len(blocks), trials.numbers, values, trial_values(training.problem, tuning, trace), trace)
            session.tell(trials, block)
            blocks.append(block)
        others = session.others({number for block in blocks for number in block.trials})
    return Study(space, blocks, _winner(blocks, others, space), 0, session.seconds, others)


def _joined(first: Study, again: Study, widened: int) -> Study:
    """Two searches as one study: the second's blocks and trials are numbered on, the winner is that of both."""
    offset = 1 + max(
        [*(n for block in first.blocks for n in block.trials), *(other["trial"] for other in first.others)]
    )
    blocks = [*first.blocks]
    for block in again.blocks:
        blocks.append(replace(block, number=len(blocks), trials=[offset + trial for trial in block.trials]))
    others = [*first.others, *({**other, "trial": offset + other["trial"]} for other in again.others)]
    seconds = first.sampling_seconds + again.sampling_seconds
    return Study(again.space, blocks, _winner(blocks, others, again.space), widened, seconds, others)


def _finished_values(tuning: Tuning, blocks: Sequence[Block]) -> dict[int, Tensor]:
    """At each evaluated step, the values of the trials that finished."""
    finished: dict[int, list[float]] = {}
    for block in blocks:
        for state, pairs in zip(block.states, intermediate_values(tuning, block.trace), strict=True):
            for step, value in pairs if state == "complete" else ():
                finished.setdefault(step, []).append(value)
    return {step: torch.tensor(values) for step, values in finished.items()}


def _winner(blocks: Sequence[Block], others: Sequence[Mapping[str, Any]], space: Space) -> Winner | None:
    """The complete trial with the lowest (first) objective, the earliest of equals; None where there is none."""
    candidates = [
        (value, trial, {name: float(column[place]) for name, column in block.values.items()})
        for block in blocks
        for place, (trial, value) in enumerate(zip(block.trials, block.objective[:, 0].tolist(), strict=True))
        if value < torch.inf
    ]
    candidates += [(o["objective"], o["trial"], o["values"]) for o in others if o["state"] == "complete"]
    if not candidates:
        return None
    objective, trial, searched = min(candidates, key=lambda candidate: candidate[:2])
    values = {**searched, **space.fixed}
    return Winner(trial, objective, values, space.at_edge(values))

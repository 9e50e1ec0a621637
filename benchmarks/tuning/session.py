"""Optuna studies: asked and told by blocks, in memory or in a storage of the user's, and exported when finished.

Storages are named as Optuna names them: ``sqlite:///file.db``, ``postgresql+psycopg://…``, or ``journal:///file.log``
for a journal file. Trials carry what belongs to a record as user attributes; memories appear as "1 - name", on the
log scale they are searched on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.suite.settings import Tuning
from benchmarks.tuning.objectives import intermediate_values
from benchmarks.tuning.samplers import ask_quietly, grid_points, make_sampler, trial_count
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage

if TYPE_CHECKING:
    import optuna

    from benchmarks.tuning.trials import Block

__all__ = ["WORKER", "Asked", "Session"]

WORKER = "stepscape.worker"


@dataclass(frozen=True)
class Asked:
    """The trials of a block: numbers, searched values, and Optuna's live trials (none for a grid)."""

    numbers: Sequence[int]
    values: Sequence[Mapping[str, float]]
    handles: Sequence[optuna.Trial]


class Session:
    """A study being asked and told; ``seconds`` is the time that took."""

    def __init__(
        self, name: str, space: Space, tuning: Tuning, pruner: optuna.pruners.BasePruner, storage: str | None
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        began = time.perf_counter()
        self.name, self.space, self.tuning = name, space, tuning
        self.shared = storage is not None
        self.count = trial_count(tuning, space)
        self.distributions = space.distributions()
        self.storage = open_storage(storage) if storage else None
        self.study = optuna.create_study(
            study_name=name, storage=self.storage, pruner=pruner, load_if_exists=True,
            directions=["minimize"] * len(tuning.objective), sampler=make_sampler(tuning, self.distributions, name, 0),
        )  # fmt: skip
        if self.shared:
            self._bury_the_dead()
        self.seconds = time.perf_counter() - began

    def ask(self, block: int) -> Asked | None:
        """The next block of trials, None where the study has all it wants."""
        began = time.perf_counter()
        asked = self._ask_grid() if self.tuning.sampler == "grid" else self._ask_sampler(block)
        self.seconds += time.perf_counter() - began
        return asked

    def tell(self, asked: Asked, block: Block) -> None:
        """Tell the study how the trials of ``block`` ended."""
        import optuna
        from optuna.trial import TrialState

        began = time.perf_counter()
        reports = list(intermediate_values(self.tuning, block.trace))
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        known = {trial.number: set(trial.intermediate_values) for trial in running}  # what a live pruner has reported
        for place, state in enumerate(block.states):
            pruned = state == "pruned"
            values = None if pruned else block.objective[place].tolist()
            if not asked.handles:
                final = TrialState.PRUNED if pruned else TrialState.COMPLETE
                self.study.add_trial(
                    optuna.trial.create_trial(
                        state=final, values=values, params=self.space.to_optuna(asked.values[place]),
                        distributions=self.distributions, intermediate_values=dict(reports[place]),
                        user_attrs=dict(asked.values[place]),
                    )
                )  # fmt: skip
                continue
            trial = asked.handles[place]
            for step, value in reports[place] if self.tuning.pruner != "none" else ():
                if step not in known[trial.number]:
                    trial.report(value, step)
            self.study.tell(trial, values, state=TrialState.PRUNED if pruned else TrialState.COMPLETE)
        self.seconds += time.perf_counter() - began

    def close(self) -> None:
        """Let go of the storage's connections."""
        if self.storage is not None:
            close_storage(self.storage)

    def others(self, own: set[int]) -> list[dict[str, Any]]:
        """The finished trials of a shared study that other processes told."""
        from optuna.trial import TrialState

        if not self.shared:
            return []
        states = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
        found = []
        for trial in self.study.get_trials(deepcopy=False, states=tuple(states)):
            if trial.number not in own:
                told = trial.values or [float("nan")] * len(self.study.directions)
                state = "diverged" if told[0] == float("inf") else states[trial.state]
                values = self.space.from_optuna(trial.params)
                objectives = dict(zip(("objective", "objective_2"), told, strict=False))
                found.append({"trial": trial.number, "state": state, **objectives, "values": values})
        return found

    def _ask_grid(self) -> Asked | None:
        first = len(self.study.get_trials(deepcopy=False))
        numbers = range(first, min(first + self.tuning.block, self.count))
        return Asked(numbers, grid_points(self.space, numbers, self.tuning.trials), []) if numbers else None

    def _ask_sampler(self, block: int) -> Asked | None:
        import optuna
        from optuna.trial import TrialState

        busy = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        there = len(self.study.get_trials(deepcopy=False, states=busy))
        wanted = min(self.tuning.block, self.count - there)
        if wanted <= 0:
            return None
        one_sequence = self.tuning.sampler == "qmc"  # Optuna keeps its place in it, for all processes
        key = f"{self.name}\n{there}\n{_worker()}" if self.shared and not one_sequence else self.name
        self.study.sampler = make_sampler(self.tuning, self.distributions, key, block)
        handles = []
        for _ in range(wanted):
            if self.shared:  # it is born with its owner's name: a kill while asking leaves no trial nobody buries
                self.study.add_trial(
                    optuna.trial.create_trial(state=TrialState.WAITING, user_attrs={WORKER: _worker()})
                )
            handles.append(ask_quietly(self.study, self.distributions))
            if self.shared:  # another process may have taken the one that waited
                handles[-1].set_user_attr(WORKER, _worker())
        values = [self.space.from_optuna(trial.params) for trial in handles]
        if self.shared:
            for trial, value in zip(handles, values, strict=True):
                for name, number in value.items():
                    trial.set_user_attr(name, number)
        return Asked([trial.number for trial in handles], values, handles)

    def _bury_the_dead(self) -> None:
        """Fail the running trials of processes of this machine that are gone; others' are left to them."""
        from optuna.trial import TrialState

        host = socket.gethostname()
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            name, _, pid = str(trial.user_attrs.get(WORKER, "")).rpartition(":")
            if name == host and not _alive(int(pid)):
                self.study.tell(trial.number, state=TrialState.FAIL)


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

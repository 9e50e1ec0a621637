"""The Optuna study behind a search: a block of trials is asked at a time and told when it is trained.

The study lives in memory, or in a storage of the user's that is named as Optuna names them: ``sqlite:///file.db``,
``postgresql+psycopg://…``, or ``journal:///file.log`` for a journal file. In a storage every trial carries its
hyperparameters as user attributes too: Optuna's own parameter of a memory is "1 - name", the log scale it is searched
on.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.suite.judging import PrunerKind
from benchmarks.suite.settings import Tuning
from benchmarks.tuning.objectives import intermediate_values
from benchmarks.tuning.samplers import ask_quietly, grid_points, make_sampler, trial_count
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage
from benchmarks.tuning.trials import Asked, Block, State, Trial

if TYPE_CHECKING:
    import optuna

__all__ = ["WORKER", "Session"]

WORKER = "stepscape.worker"
"""The user attribute of a shared study's trial that names the process that asked it, as host:pid."""


class Session:
    """An Optuna study while it runs; ``seconds`` is the time asking and telling took.

    ``storage`` is the URL it is kept at and shared with other processes; None keeps it in memory. The searched values
    ``first`` are trial 0, asked with the first block and beside its number.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        tuning: Tuning,
        pruner: optuna.pruners.BasePruner,
        storage: str | None,
        first: Mapping[str, float] | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        began = time.perf_counter()
        self.name, self.space, self.tuning = name, space, tuning
        self.shared = storage is not None
        self.first, self.before = first, int(first is not None)
        self.count = self.before + trial_count(tuning, space)
        self.distributions = space.distributions()
        self.storage = open_storage(storage) if storage else None
        self.study = optuna.create_study(
            study_name=name,
            storage=self.storage,
            pruner=pruner,
            load_if_exists=True,
            directions=["minimize"] * len(tuning.objective),
            sampler=make_sampler(tuning, self.distributions, name, 0),
        )
        if self.shared:
            self._fail_trials_of_dead_processes()
        self.seconds = time.perf_counter() - began

    def ask(self, block: int) -> Asked | None:
        """The trials of block number ``block``; None where the study has all of its trials."""
        began = time.perf_counter()
        asked = self._ask_grid() if self.tuning.sampler == "grid" else self._ask_sampler(block)
        self.seconds += time.perf_counter() - began
        return asked

    def tell(self, asked: Asked, block: Block) -> None:
        """Tell the study how the trials of ``block``, which are those ``asked``, ended."""
        began = time.perf_counter()
        reports = [dict(pairs) for pairs in intermediate_values(self.tuning, block.trace)]
        if asked.handles:
            self._tell_asked(asked.handles, block.trials, reports)
        else:
            self._add_finished(block.trials, reports)
        self.seconds += time.perf_counter() - began

    def close(self) -> None:
        """Close the connections to the storage, if there is one."""
        if self.storage is not None:
            close_storage(self.storage)

    def others(self, own: set[int]) -> list[Trial]:
        """The finished trials of a shared study that other processes told: those whose number is not in ``own``."""
        from optuna.trial import TrialState

        if not self.shared:
            return []
        states = {TrialState.COMPLETE: State.COMPLETE, TrialState.PRUNED: State.PRUNED}
        found = []
        for trial in self.study.get_trials(deepcopy=False, states=tuple(states)):
            if trial.number not in own:
                told = trial.values or [math.nan] * len(self.study.directions)
                state = State.DIVERGED if told[0] == math.inf else states[trial.state]
                found.append(Trial(trial.number, state, tuple(told), self.space.from_optuna(trial.params)))
        return found

    def _tell_asked(
        self, handles: Sequence[optuna.Trial], trials: Sequence[Trial], reports: Sequence[dict[int, float]]
    ) -> None:
        """Tell live trials how they ended, with the intermediate values their pruner has not reported itself."""
        from optuna.trial import TrialState

        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        known = {trial.number: set(trial.intermediate_values) for trial in running}
        for handle, trial, report in zip(handles, trials, reports, strict=True):
            if self.tuning.pruner.kind is not PrunerKind.NONE:
                for step, value in report.items():
                    if step not in known[handle.number]:
                        handle.report(value, step)
            self.study.tell(handle, _values_told(trial), state=trial.state.told)

    def _add_finished(self, trials: Sequence[Trial], reports: Sequence[dict[int, float]]) -> None:
        """Add the trials of a grid, which Optuna was not asked for, as finished ones."""
        from optuna.trial import create_trial

        for trial, report in zip(trials, reports, strict=True):
            self.study.add_trial(
                create_trial(
                    state=trial.state.told,
                    values=_values_told(trial),
                    params=self.space.to_optuna(trial.values),
                    distributions=self.distributions,
                    intermediate_values=report,
                    user_attrs=dict(trial.values),
                )
            )

    def _ask_grid(self) -> Asked | None:
        first = len(self.study.get_trials(deepcopy=False))
        size = self.tuning.block + (self.before if first == 0 else 0)
        numbers = range(first, min(first + size, self.count))
        if not numbers:
            return None
        places = [number - self.before for number in numbers if number >= self.before]
        points = grid_points(self.space, places, self.tuning.trials)
        return Asked(numbers, [self.first, *points] if self.first is not None and first == 0 else points, [])

    def _ask_sampler(self, block: int) -> Asked | None:
        import optuna
        from optuna.trial import TrialState

        busy = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        there = len(self.study.get_trials(deepcopy=False, states=busy))
        handles = [self._ask_first()] if self.first is not None and there == 0 else []
        wanted = min(self.tuning.block, self.count - there - len(handles))
        if wanted <= 0:
            return None
        one_sequence = self.tuning.sampler == "qmc"  # Optuna keeps its place in it, for all processes
        key = f"{self.name}\n{there}\n{_worker()}" if self.shared and not one_sequence else self.name
        self.study.sampler = make_sampler(self.tuning, self.distributions, key, block)
        for _ in range(wanted):
            if self.shared:  # named before it is asked: a process killed while asking leaves no orphaned RUNNING trial
                self.study.add_trial(
                    optuna.trial.create_trial(state=TrialState.WAITING, user_attrs={WORKER: _worker()})
                )
            handles.append(ask_quietly(self.study, self.distributions))
            if self.shared:  # another process may have asked for the trial added here, and this one for another's
                handles[-1].set_user_attr(WORKER, _worker())
        values = [self.space.from_optuna(trial.params) for trial in handles]
        if self.first is not None and there == 0:
            values[0] = dict(self.first)  # not as "1 - (1 - memory)", which rounds
        if self.shared:
            for trial, value in zip(handles, values, strict=True):
                for name, number in value.items():
                    trial.set_user_attr(name, number)
        return Asked([trial.number for trial in handles], values, handles)

    def _ask_first(self) -> optuna.Trial:
        """The trial of the setting that comes first; no sampler spends a draw on it."""
        from optuna.samplers import RandomSampler

        assert self.first is not None
        self.study.sampler = RandomSampler(seed=0)
        self.study.enqueue_trial(self.space.to_optuna(self.first), skip_if_exists=True)
        return ask_quietly(self.study, self.distributions)

    def _fail_trials_of_dead_processes(self) -> None:
        """Tell the study that RUNNING trials of ended processes of this machine failed.

        Those of other machines are left alone: their processes may be alive.
        """
        from optuna.trial import TrialState

        host = socket.gethostname()
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            name, _, pid = str(trial.user_attrs.get(WORKER, "")).rpartition(":")
            if name == host and not _alive(int(pid)):
                self.study.tell(trial.number, state=TrialState.FAIL)


def _values_told(trial: Trial) -> list[float] | None:
    return None if trial.state is State.PRUNED else list(trial.objectives)


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

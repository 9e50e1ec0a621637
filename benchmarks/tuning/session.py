"""The Optuna study behind a search: a block of trials is asked at a time and told when it is trained.

The study lives in memory, or in a storage of the user's that is named as Optuna names them: ``sqlite:///file.db``,
``postgresql+psycopg://…``, or ``journal:///file.log`` for a journal file; ``grpc://host:port`` is Optuna's proxy server
before one of them. In a storage every trial carries its hyperparameters as user attributes too: Optuna's own parameter
of a memory is "1 - name", the log scale it is searched on.

A shared study is done when it has all of its trials: a process that finds nothing left to ask waits for those that
others on this machine still train, and makes up for those of processes that were killed.
"""

from __future__ import annotations

import math
import os
import socket
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.record.checkpoints import OutOfTime
from benchmarks.suite.judging import PrunerKind
from benchmarks.suite.settings import Tuning
from benchmarks.tuning.objectives import intermediate_values
from benchmarks.tuning.samplers import ask_quietly, grid_points, make_sampler, trial_count
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage, signed
from benchmarks.tuning.trials import Asked, Block, State, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["WORKER", "Session"]

WORKER = "stepscape.worker"
"""The user attribute of a shared study's trial that names the process that asked it, as host:pid."""

POLL: Final = 0.2  # seconds between two looks at what other processes do
ASKING: Final = 10.0  # seconds in which a trial has its values once it is there, if its process goes on
LEAST_PATIENCE: Final = 60.0  # seconds; a process that trains longer than this and three times our own longest hangs


class Session:
    """An Optuna study while it runs; ``seconds`` is the time asking and telling took.

    ``storage`` is the URL it is kept at and shared with other processes; None keeps it in memory. The searched values
    ``first`` are trial 0, asked with the first block and beside its number. ``deadline`` is a ``time.time()`` after
    which it waits for no other process, None for no limit.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        tuning: Tuning,
        pruner: optuna.pruners.BasePruner,
        storage: str | None,
        first: Mapping[str, float] | None = None,
        deadline: float | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        began = time.perf_counter()
        self.name, self.space, self.tuning = name, space, tuning
        self.shared, self.deadline = storage is not None, deadline
        self.untold: dict[int, float] = {}  # the asked trials of a shared study by number, and when they were asked
        self.longest = 0.0  # seconds that a block took from being asked to being told
        self.first, self.before = first, int(first is not None)
        self.count = self.before + trial_count(tuning, space)
        self.distributions = space.distributions()
        self.storage = open_storage(storage) if storage else None
        self.study = optuna.create_study(
            study_name=name,
            storage=self.storage and signed(self.storage, {WORKER: _worker()}),
            pruner=pruner,
            load_if_exists=True,
            directions=["minimize"] * len(tuning.objective),
            sampler=make_sampler(tuning, self.distributions, name, 0),
        )
        self.seconds = time.perf_counter() - began

    def ask(self, block: int) -> Asked | None:
        """The trials of block number ``block``; None where the study has all of its trials.

        Raises `OutOfTime` where the deadline passed while other processes trained the last of them.
        """
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
        """Close the connections to the storage, if there is one; trials that were asked and not told are failed, so
        that others make up for them.
        """
        from optuna.trial import TrialState

        if self.storage is not None:
            with suppress(Exception):  # whatever stopped the study is what matters
                for number in self.untold:
                    self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
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
            if began := self.untold.pop(handle.number, None):
                self.longest = max(self.longest, time.monotonic() - began)

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
        trials = self._trials_there()
        first, there = self._ask_first(trials), len(trials)
        handles = [] if first is None else [first]
        wanted = min(self.tuning.block, self.count - there - len(handles))
        if wanted <= 0:
            return None
        one_sequence = self.tuning.sampler == "qmc"  # Optuna keeps its place in it, for all processes
        key = f"{self.name}\n{there}\n{_worker()}" if self.shared and not one_sequence else self.name
        self.study.sampler = make_sampler(self.tuning, self.distributions, key, block)
        for _ in range(wanted):
            handles.append(self._asked())
        values = [self._values(trial) for trial in handles]
        if self.shared:
            for trial, value in zip(handles, values, strict=True):
                for name, number in value.items():
                    trial.set_user_attr(name, number)
        return Asked([trial.number for trial in handles], values, handles)

    def _ask_first(self, trials: Sequence[FrozenTrial]) -> optuna.Trial | None:
        """The trial of the setting that comes first, None where it is among the ``trials``; no sampler spends a draw on
        it. Of processes that ask it in the same moment all but one give way, and theirs are failed.
        """
        from optuna.exceptions import ExperimentalWarning
        from optuna.samplers import PartialFixedSampler, RandomSampler
        from optuna.trial import TrialState

        if self.first is None or any(map(self._is_first, trials)):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.study.sampler = PartialFixedSampler(self.space.to_optuna(self.first), RandomSampler(seed=0))
        trial = self._asked()
        if self.shared and self._asked_before(trial.number):
            self.study.tell(trial, state=TrialState.FAIL)
            del self.untold[trial.number]
            return None
        return trial

    def _is_first(self, trial: FrozenTrial | optuna.Trial) -> bool:
        """Whether ``trial`` is of the setting that comes first; a storage may round it."""
        first = {} if self.first is None else self.space.to_optuna(self.first)
        return trial.params.keys() == first.keys() and all(
            math.isclose(trial.params[name], value, rel_tol=1e-12) for name, value in first.items()
        )

    def _asked_before(self, number: int) -> bool:
        """Whether the first setting is also that of a trial before ``number``; one that is just being asked is waited
        for, for a while.
        """
        from optuna.trial import TrialState

        began = time.monotonic()
        while True:
            earlier = [trial for trial in self._living() if trial.number < number]
            if any(map(self._is_first, earlier)):
                return True
            running = (trial for trial in earlier if trial.state is TrialState.RUNNING)
            if time.monotonic() - began > ASKING or not any(
                t.params.keys() < self.distributions.keys() for t in running
            ):
                return False
            time.sleep(POLL)

    def _asked(self) -> optuna.Trial:
        """The trial that the study's sampler asks next; of a shared study it is known until it is told."""
        trial = ask_quietly(self.study, self.distributions)
        if self.shared:
            self.untold[trial.number] = time.monotonic()
        return trial

    def _values(self, trial: optuna.Trial) -> Mapping[str, float]:
        """The searched values of an asked trial, the first setting not as "1 - (1 - memory)", which rounds."""
        if self.first is not None and self._is_first(trial):
            return dict(self.first)
        return self.space.from_optuna(trial.params)

    def _trials_there(self) -> list[FrozenTrial]:
        """The trials that the study has, those that are being trained among them.

        Of a shared one there are enough only when they are told: until then this waits, for a process that is killed
        leaves trials to be made up.
        """
        from optuna.trial import TrialState

        began = time.monotonic()
        while True:
            trials = self._living()
            running = [trial for trial in trials if trial.state is TrialState.RUNNING] if self.shared else []
            waited = time.monotonic() - began
            if (
                len(trials) < self.count
                or waited > LEAST_PATIENCE + 3 * self.longest
                or not any(map(self._lives_here, running))
            ):
                return trials
            if self.deadline is not None and time.time() > self.deadline:
                raise OutOfTime
            time.sleep(POLL)

    def _living(self) -> list[FrozenTrial]:
        """The trials that are told or being trained; those of processes that are known to have ended are failed."""
        from optuna.trial import TrialState

        busy = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        found = []
        for trial in self.study.get_trials(deepcopy=False, states=busy):
            others = self.shared and trial.state is TrialState.RUNNING and trial.number not in self.untold
            if others and self._lives_here(trial) is False:
                with suppress(Exception):  # another process was quicker
                    self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            else:
                found.append(trial)
        return found

    @staticmethod
    def _lives_here(trial: FrozenTrial) -> bool | None:
        """Whether the process that asked ``trial`` is alive; None where it is not known, as on another machine."""
        host, _, pid = str(trial.user_attrs.get(WORKER, "")).rpartition(":")
        return _alive(int(pid)) if host == socket.gethostname() and pid.isdigit() else None


def _values_told(trial: Trial) -> list[float] | None:
    return None if trial.state is State.PRUNED else list(trial.objectives)


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(pid: int) -> bool:
    """Whether a process of this machine is alive; one that ended and that its parent has not looked after is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # no Linux
        return True
    return state not in "ZX"

"""A suite from plan to record: the story on one page.

plans   every cell is checked before anything is written
cells   missing ones run, in parallel; each tunes, re-trains winner and defaults on fresh seeds, maps its landscape;
        so do missing exhibits, each an experiment of its own
record  a cell lands by one rename
MLflow  mirrors each cell after it has landed; an outage costs the mirror, never the record
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from analysis.record.cells import Cell
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.record.checkpoints import OutOfTime
from benchmarks.record.folder import finished, open_folder
from benchmarks.record.lock import alone
from benchmarks.running.cell import Order, run_cell
from benchmarks.running.estimate import estimate_seconds
from benchmarks.running.exhibit import ExhibitOrder, check_same_exhibits, order_exhibits, run_exhibit
from benchmarks.running.prepare import Prepared, prepare
from benchmarks.running.workers import WorkersLostError, map_unordered
from benchmarks.suite.suite import Suite
from benchmarks.tuning.storages import check_storage
from problems import DataError

__all__ = ["CellRun", "RunResult", "run"]

AnyOrder = Order | ExhibitOrder


@dataclass(frozen=True)
class CellRun:
    """How one cell or exhibit ended: its name, what it cost, the error where it failed, whether time ran out first."""

    name: str
    seconds: float
    error: str | None = None
    unfinished: bool = False


@dataclass
class RunResult:
    """How a run ended: the cells and exhibits run now, those there before, and what the mirror had to say."""

    folder: Path
    ran: list[CellRun] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def landed(self) -> list[CellRun]:
        """The cells that were run now and are finished."""
        return [cell for cell in self.ran if cell.error is None and not cell.unfinished]

    @property
    def unfinished(self) -> list[CellRun]:
        """The cells that the time budget did not let end."""
        return [cell for cell in self.ran if cell.unfinished]

    @property
    def failed(self) -> list[CellRun]:
        """The cells that ended with an error."""
        return [cell for cell in self.ran if cell.error is not None]


def run(
    suite: Suite,
    folder: Path,
    *,
    jobs: int = 1,
    data: Path | None = None,
    storage: str | None = None,
    deadline: float | None = None,
    on_estimate: Callable[[float, int, int], None] | None = None,
    on_start: Callable[[float, int], None] | None = None,
    on_cell: Callable[[CellRun, float], None] | None = None,
    mirror: Callable[[Path], None] | None = None,
) -> RunResult:
    """Run what is missing of ``suite`` in ``folder``; finished cells are kept, and checked to be of the same problems.

    Studies are kept in the Optuna ``storage`` where one is given, else in memory. After the ``deadline``
    (``time.time()``) cells stop at the next block; what they made is kept for the next run. ``on_start(cost, kept)``
    says the estimated work ahead, ``on_cell(cell, cost)`` each cell that ended; ``mirror`` is handed every finished
    cell's folder, those of earlier runs too, and may raise `StepscapeError`: it is then not asked again.
    """
    cells = {plan.name: prepare(plan, data) for plan in suite.cells()}
    exhibits = order_exhibits(suite, folder, data, deadline)
    if storage is not None:
        check_storage(storage, [plan.tuning for plan in suite.cells()])
    open_folder(folder, suite)
    with alone(folder):
        kept = sorted(finished(folder, suite.cells()))
        answered = [order for order in exhibits if order.finished]
        result = RunResult(folder, kept=[*kept, *(order.name for order in answered)])
        _check_same_problems(folder, [cells[name] for name in kept])
        check_same_exhibits(answered)
        missing = [cell for name, cell in cells.items() if name not in kept]
        asked = [order for order in exhibits if order not in answered]
        draw = mirror is not None
        orders: list[AnyOrder] = [*asked, *(Order(c.plan, folder, data, storage, deadline, draw) for c in missing)]
        costs = {order.name: order.cost for order in asked} | {cell.plan.name: cell.cost for cell in missing}
        if on_estimate is not None and orders:
            seconds = sum(order.question.seconds for order in asked) / min(jobs, len(orders))
            on_estimate(seconds + estimate_seconds(missing, jobs), len(orders), jobs)
        if on_start is not None:
            on_start(sum(costs.values()), len(result.kept))
        mirrored = _Mirror(mirror, result)
        for name in kept:
            mirrored(folder / "cells" / name)
        # the dearest first keeps all workers busy to the end; where time may run out, the cheapest finish the most
        orders.sort(key=lambda order: costs[order.name], reverse=deadline is None)
        for done in _carried_out(orders, jobs):
            result.ran.append(done)
            if on_cell is not None:
                on_cell(done, costs[done.name])
            if done in result.landed and done.name in cells:
                mirrored(folder / "cells" / done.name)
        with suppress(OSError):  # it holds what goes on another day, or is not there
            (folder / "unfinished").rmdir()
    return result


def _carried_out(orders: Sequence[AnyOrder], jobs: int) -> Iterator[CellRun]:
    """Run ``orders`` and yield how each ended; those whose workers were killed again and again end with an error."""
    left = {order.name for order in orders}
    try:
        for done in map_unordered(_run_order, orders, jobs):
            left.discard(done.name)
            yield done
    except WorkersLostError as error:
        yield from (CellRun(order.name, 0.0, str(error)) for order in orders if order.name in left)


def _run_order(order: AnyOrder) -> CellRun:
    """A cell or exhibit as a worker runs it: an exception becomes its error and stops nobody else."""
    began = time.perf_counter()
    name = order.name
    if order.finished:  # by a worker that was lost before it could say so
        return CellRun(name, 0.0)
    try:
        if isinstance(order, ExhibitOrder):
            run_exhibit(order)
        else:
            run_cell(order)
    except OutOfTime:
        return CellRun(name, time.perf_counter() - began, unfinished=True)
    except (StepscapeError, DataError, OSError) as error:  # what is wrong with a disk is no traceback either
        return CellRun(name, time.perf_counter() - began, str(error))
    except Exception:
        return CellRun(name, time.perf_counter() - began, traceback.format_exc())
    return CellRun(name, time.perf_counter() - began)


def _check_same_problems(folder: Path, cells: Sequence[Prepared]) -> None:
    """Raise `UsageError` where a finished cell was run on another instance of its problem than the one at hand."""
    now: dict[str, str] = {}
    for cell in cells:
        info = Cell.load(folder / "cells" / cell.plan.name).info
        fingerprint = now.setdefault(cell.plan.problem, cell.problem.fingerprint())
        if info.problem.fingerprint != fingerprint:
            raise UsageError(
                f"{folder} holds {cell.plan.name} for another instance of problem {cell.plan.problem!r} (other "
                "data or another version): different instances are never mixed; choose another folder with --out"
            )


class _Mirror:
    """Hands finished cells to the mirror until it fails once."""

    def __init__(self, mirror: Callable[[Path], None] | None, result: RunResult) -> None:
        self.mirror, self.result = mirror, result

    def __call__(self, cell: Path) -> None:
        if self.mirror is None:
            return
        try:
            self.mirror(cell)
        except StepscapeError as error:
            self.mirror = None
            self.result.warnings.append(str(error))

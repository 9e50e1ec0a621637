"""An exhibit from order to record, as a suite's workers carry it out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from analysis.record.exhibits import EXHIBIT_VERSION, SCHEMAS, Exhibit, ExhibitInfo, check_exhibit
from benchmarks.errors import UsageError
from benchmarks.exhibits import Question, make_question
from benchmarks.record.checkpoints import OutOfTime
from benchmarks.record.folder import exhibit_path
from benchmarks.record.writer import write_exhibit
from benchmarks.suite.suite import Suite

__all__ = ["ExhibitOrder", "check_same_exhibits", "order_exhibits", "run_exhibit"]

COST: Final = 3e6  # of a second, in the units of `benchmarks.running.prepare.Prepared.cost`


@dataclass(frozen=True)
class ExhibitOrder:
    """What a worker is sent: a question, its place in the suite, where the answer lands, and until when to begin."""

    question: Question
    position: int
    folder: Path
    data: Path | None = None
    deadline: float | None = None

    @property
    def name(self) -> str:
        return f"exhibit {self.question.name}"

    @property
    def cost(self) -> float:
        return COST * self.question.seconds

    @property
    def finished(self) -> bool:
        """Whether the answer stands in the folder."""
        return exhibit_path(self.folder, self.question.name).is_file()


def order_exhibits(suite: Suite, folder: Path, data: Path | None, deadline: float | None) -> list[ExhibitOrder]:
    """The orders of every exhibit of the suite; raises `StepscapeError` for an unknown name or option."""
    questions = [make_question(name, suite.exhibit.get(name, {})) for name in suite.exhibits]
    return [ExhibitOrder(question, place, folder, data, deadline) for place, question in enumerate(questions)]


def check_same_exhibits(orders: Iterable[ExhibitOrder]) -> None:
    """Raise `UsageError` where a finished exhibit was made from other problems than those at hand."""
    for order in orders:
        info = Exhibit.load(exhibit_path(order.folder, order.question.name).parent).info
        if info.fingerprint != order.question.fingerprint(order.data):
            raise UsageError(
                f"{order.folder} holds exhibit {order.question.name!r} made from other instances of its problems "
                "(other data or another version): different instances are never mixed; choose another folder with --out"
            )


def run_exhibit(order: ExhibitOrder) -> Path:
    """Answer the question and land the exhibit; raises `OutOfTime` where the deadline has passed."""
    if order.deadline is not None and time.time() > order.deadline:
        raise OutOfTime
    torch.set_num_threads(1)
    question, began = order.question, time.perf_counter()
    answer = question.answer(order.data)
    check_exhibit(question.name, answer.tables, answer.facts)
    info = ExhibitInfo(
        schema=EXHIBIT_VERSION,
        exhibit=question.name,
        position=order.position,
        question=SCHEMAS[question.name].question,
        method=tuple(answer.method),
        options=question.model_dump(mode="json"),
        fingerprint=question.fingerprint(order.data),
        facts=answer.facts,
        seconds=round(time.perf_counter() - began, 4),
    )
    return write_exhibit(order.folder, info, answer.tables)

"""An exhibit from question to record."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.record.exhibits import EXHIBIT_VERSION, SCHEMAS, ExhibitInfo, check_exhibit
from benchmarks.engine.devices import device_here, named
from benchmarks.record.folder import RecordFolder
from benchmarks.record.writer import write_exhibit

if TYPE_CHECKING:
    from benchmarks.exhibits import Question

__all__ = ["run_exhibit"]


def run_exhibit(question: Question, position: int, folder: RecordFolder, data: Path | None) -> Path:
    """Answer ``question``, number ``position`` of its suite (from 0), and land the exhibit in ``folder``.

    ``data`` is the user's data folder. Returns the folder of the exhibit, which says how it was measured, on a GPU also
    on which.
    """
    began = time.perf_counter()
    answer = question.answer(data)
    check_exhibit(question.name, answer.tables, answer.facts)
    remarks = [f"{problem.name}: {problem.remark}" for problem in question.problems(data) if problem.remark]
    device = device_here()
    placed = [] if device.type == "cpu" else [f"Runs were trained on {named(device)}."]
    info = ExhibitInfo(
        schema=EXHIBIT_VERSION,
        exhibit=question.name,
        position=position,
        question=SCHEMAS[question.name].question,
        method=(*answer.method, *placed, *remarks),
        options=question.model_dump(mode="json"),
        fingerprint=question.fingerprint(data),
        facts=answer.facts,
        seconds=round(time.perf_counter() - began, 4),
    )
    return write_exhibit(folder, info, answer.tables)

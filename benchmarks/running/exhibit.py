"""An exhibit from question to record."""

from __future__ import annotations

import time
from pathlib import Path

from analysis.record.exhibit_schemas import SCHEMAS
from analysis.record.exhibits import check_exhibit
from benchmarks.exhibits import Question
from benchmarks.record.folder import RecordFolder
from benchmarks.record.writer import write_exhibit

__all__ = ["run_exhibit"]


def run_exhibit(question: Question, position: int, folder: RecordFolder, data: Path | None) -> Path:
    """Answer the question, which stands at ``position`` in its suite, and land the exhibit in ``folder``."""
    began = time.perf_counter()
    answer = question.answer(data)
    check_exhibit(question.name, answer.tables, answer.facts)
    info = {
        "position": position, "question": SCHEMAS[question.name].question, "method": list(answer.method),
        "options": question.model_dump(mode="json"), "fingerprint": question.fingerprint(data),
        "facts": answer.facts, "seconds": round(time.perf_counter() - began, 4),
    }  # fmt: skip
    return write_exhibit(folder, question.name, info, answer.tables)

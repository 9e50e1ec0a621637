"""A record with small exhibits, written by their schema and made with plain numpy: no engine is needed for the page.

The exhibits themselves are modules in ``by_hand``, which pytest's ``pythonpath`` names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from exhibits_of_the_exercises import gamma_one, gamma_schedules, real_problem, rotation
from exhibits_of_the_text import memory, numbers, stall, variants

from analysis.chapter import write_chapter
from analysis.record.exhibits import EXHIBIT_VERSION, SCHEMAS, Exhibit, ExhibitInfo, Facts, check_exhibit

Made = tuple[dict[str, pd.DataFrame], Facts]

EXHIBITS: dict[str, Callable[[], Made]] = {
    "numbers": numbers, "memory": memory, "stall": stall, "variants": variants, "gamma-one": gamma_one,
    "rotation": rotation, "real-problem": real_problem, "gamma-schedules": gamma_schedules,
}  # fmt: skip


def write_exhibit(record: Path, name: str, position: int = 0, **facts: Any) -> Exhibit:
    """Write the exhibit ``name`` into a record, with changes to its facts, and load it."""
    tables, made = EXHIBITS[name]()
    made = replace(made, **facts)
    check_exhibit(name, tables, made)
    folder = record / "exhibits" / name
    folder.mkdir(parents=True)
    for table, frame in tables.items():
        frame.to_parquet(folder / f"{table}.parquet")
    info = ExhibitInfo(
        schema=EXHIBIT_VERSION,
        exhibit=name,
        position=position,
        question=SCHEMAS[name].question,
        method=("It was measured <so>.",),
        options={"seeds": 20},
        fingerprint=f"f-{name}",
        facts=made,
        seconds=0.5,
    )
    (folder / "exhibit.json").write_text(json.dumps(info.to_json()), encoding="utf-8")
    return Exhibit.load(folder)


@pytest.fixture
def exhibit(tmp_path: Path) -> Callable[..., Exhibit]:
    """A function that writes one exhibit, with changes to its facts, and loads it."""
    return partial(write_exhibit, tmp_path)


@pytest.fixture(scope="session")
def chapter_record(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Path:
    """A record of two small problems with two optimizers each, and every exhibit."""
    folder = builder.record(tmp_path_factory.mktemp("chapter") / "record", optimizers=("sgd", "rmsprop"))
    with (folder / "suite.toml").open("a", encoding="utf-8") as suite:
        suite.write('report = "chapter"\n')
    for position, name in enumerate(EXHIBITS):
        write_exhibit(folder, name, position)
    return folder


@pytest.fixture(scope="session")
def chapter_page(chapter_record: Path) -> Path:
    """The chapter's page of `chapter_record`."""
    return write_chapter(chapter_record)

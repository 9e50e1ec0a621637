"""Two records against each other: what is said to be better, worse, equal or not to be told apart."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.paired_tests import seeds_to_decide
from analysis.measures.pooling import PoolingError
from analysis.pages.compare import compare
from analysis.record.cells import Record

WIDER = {"name": "lr", "default": 0.01, "low": 1e-4, "high": 20.0, "scale": "log"}
FLOOR = {"ellipse": 0.0, "noisy": 0.25, "classes": 0.0}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Path:
    """A record of three studies without luck, and ten seeds: what differs is told apart."""
    return replace(builder, seeds=10, studies=3, luck=False).record(tmp_path_factory.mktemp("compare") / "a")


@pytest.fixture
def changed(tmp_path: Path, wide: Path) -> Callable[..., Record]:
    """A function that copies the record with some tuned gaps multiplied and ``cell.json`` edited."""

    def edit(factors: dict[str, float] | None = None, info: dict[str, dict[str, Any]] | None = None) -> Record:
        folder = tmp_path / "b"
        shutil.copytree(wide, folder)
        for name, factor in (factors or {}).items():
            file = folder / "cells" / name / "runs.parquet"
            runs = pd.read_parquet(file)
            mine, floor = runs["setting"] == "tuned", FLOOR[name.partition("--")[0]]
            ended = floor + (runs["final_loss"] - floor) * factor
            runs["final_loss"] = runs["final_loss"].mask(mine, np.nan if np.isinf(factor) else ended)
            if np.isinf(factor):
                runs["status"] = runs["status"].mask(mine, "diverged")
            runs.to_parquet(file)
        for name, changes in (info or {}).items():
            file = folder / "cells" / name / "cell.json"
            content = json.loads(file.read_text(encoding="utf-8"))
            for key, value in changes.items():
                content[key] = {**content[key], **value} if isinstance(value, dict) else value
            file.write_text(json.dumps(content), encoding="utf-8")
        return Record.load(folder)

    return edit


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Path:
    """A record of nothing but defaults."""
    folder: Path = builder.record(tmp_path_factory.mktemp("untuned") / "a")
    for cell in (folder / "cells").iterdir():
        for table in ("runs", "curves"):
            rows = pd.read_parquet(cell / f"{table}.parquet")
            rows[rows["setting"] == "default"].to_parquet(cell / f"{table}.parquet")
        content = json.loads((cell / "cell.json").read_text(encoding="utf-8"))
        content["studies"], content["protocol"]["studies"], content["protocol"]["trials"] = [], 0, 0
        (cell / "cell.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def untuned(tmp_path: Path, defaults: Path) -> Callable[..., Record]:
    """A function that copies the record of defaults; the losses on a toy may be multiplied."""
    count = iter(range(9))

    def make(toy: str = "", factor: float = 1.0) -> Record:
        folder = shutil.copytree(defaults, tmp_path / f"untuned{next(count)}")
        for file in folder.glob(f"cells/{toy}*/runs.parquet") if toy else ():
            rows = pd.read_parquet(file)
            rows.assign(final_loss=factor * rows["final_loss"]).to_parquet(file)
        return Record.load(folder)

    return make


def test_a_record_equals_itself(wide: Path) -> None:
    found = compare(Record.load(wide), Record.load(wide))
    assert found.verdict == "equal"
    assert not found.worsened
    assert found.counts == {"better": 0, "worse": 0, "equal": 9, "undecided": 0}
    assert (found.better.value, found.better.low, found.better.high) == (0.5, 0.5, 0.5)


def test_a_cell_that_ends_higher_on_every_seed_is_worse(wide: Path, changed: Callable[..., Record]) -> None:
    found = compare(Record.load(wide), changed({"noisy--rmsprop": 1.5}))
    (pair,) = [pair for pair in found.pairs if pair.verdict != "equal"]
    assert (pair.problem, pair.label, pair.verdict) == ("noisy", "rmsprop", "worse")
    assert pair.change.value == pytest.approx(np.log10(1.5))
    assert (pair.paired, pair.studies) == (True, 3)
    assert found.verdict == "worse"
    assert found.worsened


def test_a_cell_that_ends_lower_on_every_seed_is_better(wide: Path, changed: Callable[..., Record]) -> None:
    found = compare(Record.load(wide), changed({"noisy--rmsprop": 0.7, "ellipse--sgd": 0.5}))
    assert found.verdict == "better"
    assert found.counts["better"] == 2
    assert found.better.low > 0.5


def test_better_here_and_worse_there_is_mixed_and_counts_as_worsened(
    wide: Path, changed: Callable[..., Record]
) -> None:
    found = compare(Record.load(wide), changed({"noisy--rmsprop": 0.7, "ellipse--sgd": 2.0}))
    assert found.verdict == "mixed"
    assert found.worsened


def test_a_side_that_diverges_is_worse_by_all_that_the_other_made_and_null_in_json(
    wide: Path, changed: Callable[..., Record]
) -> None:
    found = compare(Record.load(wide), changed({"noisy--rmsprop": np.inf}))
    (pair,) = [pair for pair in found.pairs if pair.verdict == "worse"]
    assert np.isinf(pair.b.value)
    start = np.log10(0.5 * 4.4 * 4)  # of the noisy toy: a diverged run counts as its start
    assert pair.change.value == pytest.approx(start - np.log10(pair.a.value), abs=0.05)
    (written,) = [one for one in json.loads(found.to_json())["pairs"] if one["verdict"] == "worse"]
    assert written["b"]["value"] is None
    assert "diverged" in found.text()


def test_a_side_that_found_nothing_counts_as_diverged(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed()
    file = other.path / "cells" / "noisy--sgd" / "runs.parquet"
    runs = pd.read_parquet(file)
    runs[runs["setting"] != "tuned"].to_parquet(file)
    found = compare(Record.load(wide), Record.load(other.path))
    assert [pair.verdict for pair in found.pairs if np.isinf(pair.b.value)] == ["worse"]


def test_other_test_seeds_are_compared_unpaired(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed({"noisy--sgd": 3.0}, {"noisy--sgd": {"protocol": {"test_seeds": list(range(500, 510))}}})
    (pair,) = [pair for pair in compare(Record.load(wide), other).pairs if not pair.paired]
    assert (pair.problem, pair.label) == ("noisy", "sgd")
    assert pair.change.value == pytest.approx(np.log10(3))
    assert pair.p_value < 0.05


def test_diverged_runs_on_other_test_seeds_are_compared_as_well(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed({"noisy--sgd": np.inf}, {"noisy--sgd": {"protocol": {"test_seeds": list(range(500, 510))}}})
    found = compare(Record.load(wide), other)
    assert [pair.verdict for pair in found.pairs if not pair.paired] == ["worse"]
    assert found.p_worse < found.p_better


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"problem": {"fingerprint": "f-other"}}, "another instance of its problem"),
        ({"protocol": {"trials": 99}}, r"another budget \(trials: 12 and 99\)"),
        ({"protocol": {"pruner": "halving"}}, r"another budget \(pruner: none and halving\)"),
        ({"protocol": {"tuning_seeds": [1]}}, r"another budget \(tuning seeds: 2 and 1\)"),
    ],
)
def test_cells_that_answer_another_question_are_left_out_and_the_reason_is_said(
    wide: Path, changed: Callable[..., Record], change: dict[str, Any], reason: str
) -> None:
    found = compare(Record.load(wide), changed(info={"noisy--sgd": change}))
    assert len(found.pairs) == 8
    assert re.search(f"not compared: noisy--sgd .*{reason}", found.unmatched[0])
    assert re.search(reason, found.text(200))


def test_cells_of_one_side_only_are_named(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed()
    shutil.rmtree(other.path / "cells" / "noisy--sgd")
    found = compare(Record.load(wide), Record.load(other.path))
    assert found.unmatched == ("only in A: noisy--sgd",)
    assert compare(Record.load(other.path), Record.load(wide)).unmatched == ("only in B: noisy--sgd",)


def test_many_cells_of_one_side_only_are_one_line(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed()
    for cell in sorted((other.path / "cells").iterdir())[1:]:
        shutil.rmtree(cell)
    found = compare(Record.load(wide), Record.load(other.path))
    assert len(found.unmatched) > 5
    (line,) = [line for line in found.text(1000).splitlines() if "only in" in line]
    assert line.endswith(f" and {len(found.unmatched) - 4} more")


def test_records_with_nothing_in_common_are_refused(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed(info={path.name: {"schedule": "cosine"} for path in (wide / "cells").iterdir()})
    with pytest.raises(PoolingError, match=r"no cell of .* can be compared .*: only in A: .* and 14 more$"):
        compare(Record.load(wide), other)


def test_where_nothing_was_tuned_the_defaults_are_compared(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed()
    for file in (other.path / "cells").glob("*/runs.parquet"):
        runs = pd.read_parquet(file)
        runs[runs["setting"] == "default"].to_parquet(file)
    untuned = Record.load(other.path)
    found = compare(untuned, untuned)
    assert {pair.setting for pair in found.pairs} == {"default"}


def test_too_few_seeds_to_decide_anything_are_said_to_be_too_few(untuned: Callable[..., Record]) -> None:
    found = compare(untuned(), untuned())  # six cells with five seeds each need a test
    assert found.notes == (
        f"With 5 test seeds none of 6 cells can be decided alone at 5%; {seeds_to_decide(6, 0.025)} would do.",
    )


@pytest.mark.parametrize(("studies", "words"), [(1, "One study a side"), (2, "Two studies a side")])
def test_of_fewer_than_three_studies_nothing_is_said_of_the_optimizers(
    tmp_path: Path, builder: Any, studies: int, words: str
) -> None:
    sides = [replace(builder, studies=studies, luck=False).record(tmp_path / name) for name in "ab"]
    for file in (sides[1] / "cells").glob("*/runs.parquet"):
        runs = pd.read_parquet(file)
        runs["final_loss"] = runs["final_loss"].mask(runs["setting"] == "tuned", 9 * runs["final_loss"])
        runs.to_parquet(file)
    found = compare(*map(Record.load, sides))
    assert (found.verdict, found.worsened, found.counts["undecided"]) == ("undecided", False, 9)
    assert all(np.isnan(pair.p_value) for pair in found.pairs)
    assert found.notes[0].startswith(f"{words}: the differences are of the settings found")


def test_what_so_many_studies_can_tell_is_said(wide: Path) -> None:
    note = compare(Record.load(wide), Record.load(wide)).notes[0]
    assert re.match(
        r"With 3 studies a side a cell alone is told apart, 4 times in 5, where it differs by [\d.]+ st", note
    )


def test_an_overall_line_says_better_only_where_the_overall_test_does(
    wide: Path, changed: Callable[..., Record]
) -> None:
    found = compare(Record.load(wide), changed({"noisy--rmsprop": 0.7, "ellipse--sgd": 1.5, "classes--sgd": 1.5}))
    assert found.counts["better"] == 1
    assert found.p_better > 0.5
    assert found.verdict != "better"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocol": {"block": 5}}, r"another budget \(block: 4 and 5\)"),
        ({"protocol": {"sampler": "tpe"}}, r"another budget \(sampler: random and tpe\)"),
        ({"protocol": {"studies": 9}}, r"another budget \(studies: 3 and 9\)"),
        ({"optimizer": {"hyperparameters": [WIDER]}}, r"other ranges \(lr: 0.0001 to 10 \(log\) and 0.0001 to 20"),
    ],
)
def test_studies_that_were_made_otherwise_are_not_compared(
    wide: Path, changed: Callable[..., Record], change: dict[str, Any], reason: str
) -> None:
    found = compare(Record.load(wide), changed(info={"noisy--sgd": change}))
    assert re.search(f"not compared: noisy--sgd .*{reason}", found.unmatched[0])


def test_what_another_search_bought_is_told_where_it_is_asked_for(wide: Path, changed: Callable[..., Record]) -> None:
    other = changed({"noisy--sgd": 0.5}, info={"noisy--sgd": {"optimizer": {"hyperparameters": [WIDER]}}})
    found = compare(Record.load(wide), other, other_search=True)
    assert len(found.pairs) == 9
    assert [pair.label for pair in found.pairs if pair.verdict == "better"] == ["sgd"]
    assert found.other_search == ("sgd: lr: 0.0001 to 10 (log) and 0.0001 to 20 (log)",)
    assert "The difference is what the other search bought" in " ".join(found.text().split())
    assert compare(Record.load(wide), Record.load(wide), other_search=True).other_search == ()


@pytest.mark.slow
def test_copies_of_one_record_by_other_luck_are_not_told_apart(tmp_path: Path, builder: Any) -> None:
    sides = [replace(builder, seeds=10, studies=6).record(tmp_path / name) for name in "ab"]
    for side, kept in zip(sides, (0, 3), strict=True):  # the first three studies against the last three
        for folder in (side / "cells").iterdir():
            for table in ("runs", "curves"):
                rows = pd.read_parquet(folder / f"{table}.parquet")
                mine = rows["study"].isna() | rows["study"].between(kept, kept + 2)
                rows[mine].assign(study=rows["study"] - kept).to_parquet(folder / f"{table}.parquet")
            content = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
            content["studies"] = [{**each, "study": i} for i, each in enumerate(content["studies"][kept : kept + 3])]
            content["protocol"]["studies"] = 3
            (folder / "cell.json").write_text(json.dumps(content), encoding="utf-8")
    found = compare(*map(Record.load, sides))
    assert (found.verdict, found.worsened) == ("undecided", False)
    assert found.counts["better"] == found.counts["worse"] == 0


def test_the_text_fits_its_width_and_ends_with_the_verdict(wide: Path, changed: Callable[..., Record]) -> None:
    lines = compare(Record.load(wide), changed({"noisy--rmsprop": 1.5})).text(70).splitlines()
    assert max(map(len, lines)) <= 70
    assert any(line.startswith("!  noisy") for line in lines)
    assert any(line.startswith("B is worse: 1 worse, 8 equal") for line in lines[-2:])


def test_json_holds_the_verdict_for_machines(wide: Path, changed: Callable[..., Record]) -> None:
    found = json.loads(compare(Record.load(wide), changed({"noisy--rmsprop": 1.5})).to_json())
    assert found["verdict"] == "worse"
    assert found["worsened"] is True
    assert found["counts"] == {"better": 0, "worse": 1, "equal": 8, "undecided": 0}
    assert {"problem", "label", "change", "p_holm", "verdict"} <= set(found["pairs"][0])


def test_a_few_seeds_that_all_end_higher_decide_nothing(untuned: Callable[..., Record]) -> None:
    found = compare(untuned(), untuned("noisy", 2.0))  # five seeds: 1 in 32 for all to end higher by chance
    assert found.p_worse == pytest.approx(1 / 32, abs=0.015)
    assert (found.verdict, found.worsened) == ("undecided", False)


def test_many_small_harms_are_worse_over_all_though_no_cell_is_alone(
    wide: Path, changed: Callable[..., Record]
) -> None:
    other = changed()
    flips = [1.3, 0.9, 1.3, 1.2, 1.3, 0.9, 1.3, 1.2, 1.3, 1.2]  # eight seeds of ten end higher, two lower
    for file in sorted((other.path / "cells").glob("[nc]*/runs.parquet")):
        runs = pd.read_parquet(file)
        tuned = runs["setting"] == "tuned"
        floor = FLOOR[file.parent.name.partition("--")[0]]
        runs.loc[tuned, "final_loss"] = floor + (runs.loc[tuned, "final_loss"] - floor) * (flips * 3)
        flips = [*flips[1:], flips[0]]  # other seeds in every cell
        runs.to_parquet(file)
    found = compare(Record.load(wide), Record.load(other.path))
    assert found.counts["worse"] == 0
    assert found.p_worse < 0.01
    assert found.verdict == "worse"
    assert re.search(r"with probability \d+% \[.*\] \(p [\d.e-]+ over all cells\)\.", " ".join(found.text().split()))


def test_exact_results_alone_need_no_test_over_all(untuned: Callable[..., Record]) -> None:
    sides = [untuned(), untuned("ellipse", 2.0)]
    for side, name in product(sides, ("noisy", "classes")):
        for folder in (side.path / "cells").glob(f"{name}--*"):
            shutil.rmtree(folder)
    found = compare(*(Record.load(side.path) for side in sides))
    assert np.isnan(found.p_worse)
    assert found.worsened
    assert json.loads(found.to_json())["p_worse"] is None
    assert "over all cells" not in found.text()


def test_the_reason_that_a_cell_is_left_out_is_never_cut(wide: Path, changed: Callable[..., Record]) -> None:
    text = compare(Record.load(wide), changed(info={"noisy--sgd": {"problem": {"fingerprint": "f-other"}}})).text(60)
    assert "(fingerprints f-noisy and f-other)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 60


def test_where_the_code_of_an_optimizer_differs_it_is_compared_and_said(
    wide: Path, changed: Callable[..., Record]
) -> None:
    names = [cell.name for cell in Record.load(wide) if cell.optimizer == "rmsprop"]
    other = changed(info={name: {"optimizer": {"fingerprint": "o-other"}} for name in names})
    found = compare(Record.load(wide), other)
    assert len(found.pairs) == 9
    assert found.other_code == ("rmsprop",)
    assert "The code of rmsprop differs between A and B." in found.notes
    assert "The code of rmsprop differs between A and B." in found.text()
    assert json.loads(found.to_json())["other_code"] == ["rmsprop"]
    assert compare(Record.load(wide), Record.load(wide)).other_code == ()

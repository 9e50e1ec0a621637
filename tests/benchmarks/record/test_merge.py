"""Records joined: what one run would have made, whatever their progress; what does not belong together is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.pages.report import write_report
from analysis.record.cells import Record
from analysis.record.failures import failures_of
from analysis.record.tables import DIGESTS, digest
from benchmarks.errors import UsageError
from benchmarks.record.folder import RecordFolder
from benchmarks.record.merge import merge
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

TEXT = """
name = "parts"
problems = ["sphere", "ellipse"]
optimizers = ["sgd", "momentum"]
focus = "momentum"
exhibits = ["numbers"]
steps = 8
evaluations = 2
[tuning]
studies = 2
trials = 3
block = 2
seeds = 1
pruner = "none"
[test]
seeds = 2
[landscape]
grid = "2x2"
seeds = 1
[exhibit.numbers]
"""
SUITE = Suite.parse(TEXT.replace('exhibits = ["numbers"]\n', "").replace("[exhibit.numbers]\n", ""), "test")
PLUGIN = """
from optimizers import OptimizerSpec
from optimizers.sgd import SGD
SPEC = OptimizerSpec("sgd-of-a-shard", SGD(), ("lr", None), "nobody", "gradient descent")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole record of the suite, and the shards 1 to 3 of it."""
    folder = tmp_path_factory.mktemp("made")
    assert not run(SUITE, folder / "whole").failed
    for number in (1, 2, 3):
        assert not run(SUITE, folder / str(number), shard=(number, 3)).failed
    return folder


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> list[Path]:
    """Copies of the three shards, to be changed."""
    return [Path(shutil.copytree(made / str(number), tmp_path / str(number))) for number in (1, 2, 3)]


def contents(folder: Path) -> dict[str, object]:
    """What every file of a folder holds, by its name; of JSON files without their times."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(part) for key, part in value.items() if key not in ("seconds", "cost")}
        return value

    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {
        name: cut(json.loads(file.read_text())) if file.suffix == ".json" else file.read_bytes()
        for name, file in files.items()
    }


def change_environment(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "environment.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def change_cell(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the ``cell.json`` of the first cell of a record."""
    file = min(folder.glob("cells/*/cell.json"))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return file.parent


def test_what_is_joined_is_the_record_of_one_run_to_the_byte(made: Path, tmp_path: Path) -> None:
    merged = merge(tmp_path / "out", [made / "1", made / "2", made / "3"])
    assert (merged.now, merged.total, list(merged.missing)) == (4, 4, [])
    assert contents(tmp_path / "out") == contents(made / "whole")


def test_a_run_finds_everything_of_a_joined_record_finished(made: Path, tmp_path: Path) -> None:
    merge(tmp_path / "out", [made / "3", made / "1", made / "2"])
    result = run(SUITE, tmp_path / "out")
    assert (len(result.kept), result.ran) == (4, [])


def test_records_of_unequal_progress_are_joined_and_a_run_goes_on_with_the_rest(made: Path, tmp_path: Path) -> None:
    merged = merge(tmp_path / "out", [made / "1", made / "3"])
    rest = [folder.name for folder in (made / "2/cells").iterdir()]
    assert sorted(merged.missing) == sorted(rest)
    assert list(merged.notes) == ["of 3 shards these are not among the folders: 2"]
    result = run(SUITE, tmp_path / "out")
    assert sorted(done.name for done in result.landed) == sorted(rest)
    assert contents(tmp_path / "out") == contents(made / "whole")


def test_joining_is_repeated_as_shards_get_further(made: Path, tmp_path: Path) -> None:
    counts = [merge(tmp_path / "out", [made / str(each) for each in among]).now for among in ((1,), (1, 2, 3), (1, 3))]
    assert counts == [len(list((made / "1/cells").iterdir())), 4 - counts[0], 0]
    assert contents(tmp_path / "out") == contents(made / "whole")


def test_cells_that_several_records_have_are_fine_where_they_are_equal(made: Path, tmp_path: Path) -> None:
    merged = merge(tmp_path / "out", [made / "whole", made / "1"])
    assert (merged.now, list(merged.missing)) == (4, [])


def test_the_records_that_are_joined_are_left_as_they_were(made: Path, tmp_path: Path) -> None:
    times = {file: file.stat().st_mtime_ns for number in "123" for file in (made / number).rglob("*")}
    merge(tmp_path / "out", [made / "1", made / "2", made / "3"])
    assert {file: file.stat().st_mtime_ns for number in "123" for file in (made / number).rglob("*")} == times


def test_cells_of_one_name_that_differ_are_refused_by_name(made: Path, shards: list[Path], tmp_path: Path) -> None:
    cell = min(shards[0].glob("cells/*"))
    runs = pd.read_parquet(cell / "runs.parquet")
    runs.loc[0, "final_loss"] = 123.0
    runs.to_parquet(cell / "runs.parquet", index=False)
    noted = json.loads((cell / DIGESTS).read_text())
    (cell / DIGESTS).write_text(json.dumps({**noted, "runs.parquet": digest(cell / "runs.parquet")}))
    with pytest.raises(UsageError, match=rf"whole/cells/{cell.name} and .*{cell.name} differ in runs.parquet"):
        merge(tmp_path / "out", [made / "whole", shards[0]])
    assert not (tmp_path / "out").exists()


def test_another_definition_of_the_suite_is_refused_with_the_keys_that_differ(made: Path, tmp_path: Path) -> None:
    other = RecordFolder(tmp_path / "other")
    other.open(SUITE.model_copy(update={"steps": 9}))
    with pytest.raises(UsageError, match=r"other definitions of a suite .steps; see"):
        merge(tmp_path / "out", [made / "1", other.path])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda known: known["packages"].update(torch="1.0.0"), r"torch \S+ and 1.0.0"),
        (lambda known: known["packages"].update(optuna="1.0.0"), r"optuna \S+ and 1.0.0"),
        (lambda known: known.update(git_commit="f" * 40), rf"commit \S+ and {'f' * 40}"),
    ],
)
def test_other_versions_are_refused_by_name(
    change: Callable[[dict[str, Any]], object], said: str, shards: list[Path], tmp_path: Path
) -> None:
    change_environment(shards[1], change)
    with pytest.raises(UsageError, match=f"made by other versions: {said}"):
        merge(tmp_path / "out", shards)
    assert not (tmp_path / "out").exists()


def test_a_record_that_does_not_know_its_commit_is_joined_and_named(shards: list[Path], tmp_path: Path) -> None:
    change_environment(shards[0], lambda known: known.update(git_commit="f" * 40))
    change_environment(shards[1], lambda known: known.update(git_commit=None))
    merged = merge(tmp_path / "out", shards[:2])
    assert f"{shards[1]} does not say of which commit it is; its optimizers" in merged.notes[0]


def test_other_machines_are_joined_and_named_in_the_environment(shards: list[Path], tmp_path: Path) -> None:
    change_environment(shards[1], lambda known: known.update(cores=999))
    change_environment(shards[2], lambda known: known["packages"].update(torch=f"{known['packages']['torch']}+cu"))
    for _ in range(2):
        merge(tmp_path / "out", shards)
        made_by = json.loads((tmp_path / "out/environment.json").read_text())
        first = json.loads((shards[0] / "environment.json").read_text())
        assert {key: made_by[key] for key in first} == first
        assert [other["cores"] for other in made_by["others"]] == [999, first["cores"]]


def test_shards_that_one_machine_ran_on_several_days_are_not_of_several_machines(
    shards: list[Path], tmp_path: Path
) -> None:
    for day, shard in enumerate(shards, start=1):
        change_environment(shard, lambda known, day=day: known.update(date=f"2026-01-0{day}"))
    merge(tmp_path / "out", shards)
    made_by = json.loads((tmp_path / "out/environment.json").read_text())
    assert "others" not in made_by
    assert made_by["date"] == "2026-01-01"


@pytest.mark.parametrize("part", ["problem", "optimizer"])
def test_other_code_or_data_is_refused_by_name(part: str, made: Path, shards: list[Path], tmp_path: Path) -> None:
    cell = change_cell(shards[0], lambda info: info[part].update(fingerprint="0" * 16))
    name = json.loads((cell / "cell.json").read_text())[part]["name"]
    with pytest.raises(UsageError, match=f"other code or data of {part} '{name}' .fingerprints"):
        merge(tmp_path / "out", [made / "whole", shards[0]])


def test_a_failure_is_kept_until_its_cell_is_finished_somewhere(shards: list[Path], tmp_path: Path) -> None:
    there = next(folder.name for folder in (shards[1] / "cells").iterdir())
    RecordFolder(shards[0]).keep_failures({there: "worker lost", "ellipse--momentum": "a full disk"})
    for folder in shards:
        shutil.rmtree(folder / "cells/ellipse--momentum", ignore_errors=True)
    first = merge(tmp_path / "out", [shards[0]])
    assert set(first.failed) == {there, "ellipse--momentum"}
    again = merge(tmp_path / "out", shards)
    assert again.failed == failures_of(tmp_path / "out") == {"ellipse--momentum": "a full disk"}
    assert (list(again.missing), again.to_run) == (["ellipse--momentum"], [])


def test_checkpoints_are_kept_of_what_is_finished_nowhere(shards: list[Path], tmp_path: Path) -> None:
    done = Record.load(shards[0]).cells[0].info
    names = [f"{done.cell}-{done.problem.fingerprint}-{done.optimizer.fingerprint}", f"other-{'0' * 16}-{'1' * 16}"]
    for folder, traces in ((shards[1], 1), (shards[2], 2)):
        for name in names:
            (folder / "unfinished" / name / "study-0").mkdir(parents=True)
            for trace in range(traces):
                (folder / "unfinished" / name / "study-0" / f"{trace}.pt").write_text(folder.name)
    merge(tmp_path / "out", shards[1:])
    assert {folder.name for folder in (tmp_path / "out/unfinished").iterdir()} == set(names)
    assert len(list((tmp_path / "out/unfinished").rglob("*.pt"))) == 4  # of each, those of the one that had the most
    (tmp_path / "out/unfinished/.half.123").mkdir()  # of one that was killed while it copied
    merge(tmp_path / "out", shards)
    assert [folder.name for folder in (tmp_path / "out/unfinished").iterdir()] == names[1:]


def test_a_damaged_cell_is_left_out_and_named(shards: list[Path], tmp_path: Path) -> None:
    cell = min(shards[0].glob("cells/*"))
    (cell / "runs.parquet").write_bytes(b"PAR1")
    merged = merge(tmp_path / "out", shards)
    assert list(merged.missing) == [cell.name]
    assert list(merged.notes) == [f"{cell} is damaged (runs.parquet is no table) and is left out"]


def test_shards_with_a_plugin_are_joined_wherever_its_file_lies(tmp_path: Path) -> None:
    plugin = tmp_path / "home-1/mine.py"
    plugin.parent.mkdir()
    plugin.write_text(PLUGIN)
    suite = SUITE.model_copy(
        update={
            "plugins": [str(plugin)],
            "problems": ["sphere"],
            "optimizers": ["sgd", "sgd-of-a-shard"],
            "focus": None,
        }
    )
    folders = [tmp_path / "1", tmp_path / "2"]
    for number, folder in enumerate(folders, start=1):
        run(suite, folder, shard=(number, 2))
    stored = folders[1] / "suite.toml"
    stored.write_text(stored.read_text().replace("home-1", "home-2"))
    merged = merge(tmp_path / "out", folders)
    assert not merged.missing
    assert (tmp_path / "out/plugins/mine.py").read_text() == PLUGIN
    assert not run(suite, tmp_path / "out").ran
    (folders[1] / "plugins/mine.py").write_text("other = 1\n")
    with pytest.raises(UsageError, match=r"the plug-ins .*out/plugins/mine.py and .*2/plugins/mine.py differ"):
        merge(tmp_path / "out", folders)


@pytest.mark.parametrize(
    ("out", "among", "said"),
    [
        ("1", ["1", "2"], "is among the records to join"),
        ("1", ["2", "3"], "holds shard 1 of 3: name a new folder"),
        ("out", [], "nothing to join"),
        ("out", ["1", "nowhere"], "nowhere is not a results folder"),
        ("1/cells", ["1"], "holds other files and no record"),
    ],
)
def test_folders_that_cannot_be_joined_are_named(
    out: str, among: list[str], said: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in "123":
        shutil.copytree(made / number, tmp_path / number)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        merge(out, among)


def test_a_folder_that_is_no_part_of_the_suite_is_named(shards: list[Path], tmp_path: Path) -> None:
    cell = min(shards[0].glob("cells/*"))
    shutil.copytree(cell, cell.with_name("strange"))
    with pytest.raises(UsageError, match="strange is no part of the suite parts"):
        merge(tmp_path / "out", shards)


@pytest.mark.slow  # an exhibit takes seconds
def test_exhibits_are_joined_as_cells_are(tmp_path: Path) -> None:
    suite = Suite.parse(TEXT.replace('["sphere", "ellipse"]', '["sphere"]'), "test")
    for number in (1, 2):
        run(suite, tmp_path / str(number), shard=(number, 2))
    merged = merge(tmp_path / "out", [tmp_path / "1", tmp_path / "2"])
    assert (merged.now, merged.total, list(merged.missing)) == (3, 3, [])
    assert not run(suite, tmp_path / "out").ran


def test_a_record_loads_with_the_shard_that_it_is(made: Path) -> None:
    assert str(Record.load(made / "2").shard) == "shard 2 of 3"
    assert Record.load(made / "whole").shard is None


@pytest.mark.slow  # three reports
def test_the_report_of_joined_records_is_that_of_one_run_and_a_shard_says_what_it_is(
    made: Path, tmp_path: Path
) -> None:
    merge(tmp_path / "out", [made / "1", made / "2", made / "3"])
    pages = [
        write_report(folder, tmp_path / f"report-{place}")
        for place, folder in enumerate([made / "whole", tmp_path / "out"])
    ]
    tables = [{file.name: file.read_bytes() for file in page.parent.glob("tables/*.csv")} for page in pages]
    for found in tables:
        assert found.pop("costs.csv")  # the one that holds times: what a step takes
    assert tables[0] == tables[1]
    figures = [{file.name: file.read_bytes() for file in page.parent.glob("figures/*")} for page in pages]
    assert figures[0] == figures[1]
    assert "This is shard" not in pages[1].read_text()
    lacking = next(each for each in "123" if not list((made / each / "cells").glob("*--momentum")))
    assert f"This is shard {lacking} of 3" in write_report(made / lacking, tmp_path / "part").read_text()

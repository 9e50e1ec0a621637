"""Runs in COCO's and IOHprofiler's formats, read back by readers written from what those tools' sources say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.record.cells import Record
from benchmarks.cli.main import cli
from benchmarks.errors import UsageError
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
from benchmarks.tuning.run_logs import export_runs

Runs = dict[tuple[str, str], list[tuple[int, np.ndarray, np.ndarray]]]
"""``{(algorithm, function's number): [(instance, evaluations, values)]}``."""

HEAD = re.compile(
    r"suite = '[^']*', funcId = (\d+), DIM = (\d+), Precision = [0-9.e+-]+, algId = '([^']*)', coco_version = '[^']*', "
    r"logger = '[^']*', data_format = 'bbob-new2'"
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    suite = {
        "name": "logged",
        "problems": ["airfoil", "rosenbrock", "wave"],
        "optimizers": ["sgd", "rmsprop"],
        "steps": 12,
        "tuning": {"trials": 4, "block": 4, "studies": 2, "seeds": 1},
        "test": {"seeds": 3},
        "landscape": {"enabled": False},
    }
    return Record.load(run(Suite.checked(suite, "test"), tmp_path_factory.mktemp("logged") / "record").folder)


def read_coco(folder: Path, ending: str) -> Runs:
    """What the ``.info`` files name; data are split at lines that begin with %."""
    found: Runs = {}
    for info in sorted(folder.rglob("*.info")):
        head, remark, ends = info.read_text(encoding="utf-8").splitlines()
        match = HEAD.fullmatch(head)
        assert match is not None
        assert remark.startswith("% ")
        path, *instances = ends.split(", ")
        parts = re.split(r"^%.*\n", (info.parent / path).with_suffix(ending).read_text(), flags=re.M)[1:]
        runs = found.setdefault((match[3], match[1]), [])
        for text, part in zip(instances, parts, strict=True):
            rows = np.array([[float(each) for each in line.split()] for line in part.splitlines()])
            instance, last, best = re.fullmatch(r"(\d+):(\d+)\|(\S+)", text).groups()  # type: ignore[union-attr]
            assert rows[0, 0] == 1
            assert (np.diff(rows[:, 0]) > 0).all()
            assert int(last) == rows[-1, 0]
            assert float(best) == pytest.approx(rows[-1, 2], rel=0.06)  # one digit behind the point
            assert (np.diff(rows[:, 2]) <= 0).all()
            assert (rows[:, 1] == 0).all()  # no constraints
            runs.append((int(instance), rows[:, 0], rows[:, 2]))
    return found


def read_ioh(folder: Path) -> Runs:
    """What the JSON files name; a run begins with a line of column names."""
    found: Runs = {}
    for file in sorted(folder.rglob("*.json")):
        content = json.loads(file.read_text())
        assert content["attributes"] == ["evaluations", "raw_y"]
        (scenario,) = content["scenarios"]
        parts = (file.parent / scenario["path"]).read_text().split("evaluations raw_y\n")[1:]
        runs = found.setdefault((content["algorithm"]["name"], content["function_name"]), [])
        for info, part in zip(scenario["runs"], parts, strict=True):
            rows = np.array([[float(each) for each in line.split()] for line in part.splitlines()])
            assert rows[0, 0] == 1
            assert rows[-1, 0] == info["evals"]
            assert rows[:, 1].min() == pytest.approx(info["best"]["y"], rel=1e-9)
            assert info["best"]["evals"] in rows[rows[:, 1] == rows[:, 1].min(), 0]
            runs.append((info["instance"], rows[:, 0], rows[:, 1]))
    return found


def recorded(record: Record, problem: str) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Algorithm, seed and the finite part of every test run's curve, with the gap (the loss without a floor)."""
    for cell in record.of_problem(problem):
        curves = cell.curves[cell.curves["setting"] != "trial"]
        for setting in ("tuned", "default"):
            of = curves[curves["setting"] == setting]
            for (_, seed), curve in of.groupby(["study", "seed"], dropna=False):
                held = curve.assign(value=curve["loss"] - (cell.floor or 0.0)).dropna(subset=["loss"])
                yield f"{cell.label} {setting}", int(seed), held


def test_ioh_holds_every_look_at_every_test_run(record: Record, tmp_path: Path) -> None:
    folders = export_runs(record, tmp_path / "out", "ioh")
    assert [folder.name for folder in folders] == ["rmsprop-default", "rmsprop-tuned", "sgd-default", "sgd-tuned"]
    found = read_ioh(tmp_path / "out")
    assert {name for _, name in found} == {"airfoil", "rosenbrock", "wave"}
    for problem in record.problems:
        for algorithm, seed, curve in recorded(record, problem):
            instance, evaluations, values = found[algorithm, problem].pop(0)
            assert instance == seed
            np.testing.assert_array_equal(evaluations, 1 + curve["step"])  # the start is the first
            np.testing.assert_allclose(values, curve["value"], rtol=1e-9)
    assert not any(found.values())


def test_coco_holds_the_lowest_gap_so_far_at_every_look(record: Record, tmp_path: Path) -> None:
    export_runs(record, tmp_path / "out", "coco", ["airfoil", "rosenbrock"])
    by_time, by_target = (read_coco(tmp_path / "out", ending) for ending in (".tdat", ".dat"))
    assert by_time.keys() == by_target.keys()
    for number, problem in (("1", "airfoil"), ("2", "rosenbrock")):
        for algorithm, seed, curve in recorded(record, problem):
            instance, evaluations, gaps = by_time[algorithm, number].pop(0)
            assert instance == seed
            np.testing.assert_array_equal(evaluations, 1 + curve["step"])
            np.testing.assert_allclose(gaps, curve["value"].cummin(), rtol=1e-9, atol=1e-9)
            _, hits, passed = by_target[algorithm, number].pop(0)
            first = [evaluations[gaps <= target][0] for target in 10.0 ** np.arange(-8, 3, 0.2) if gaps[-1] <= target]
            assert {1, *first, evaluations[-1]} <= {1, *hits}
            assert set(hits) <= set(evaluations)
            assert passed[-1] == gaps[-1]


def test_a_run_that_diverged_ends_at_its_last_finite_loss(record: Record, tmp_path: Path) -> None:
    (cell,) = (cell for cell in record.of_problem("rosenbrock") if cell.optimizer == "sgd")
    run = cell.runs[cell.runs["setting"] == "default"].iloc[0]
    assert run["status"] == "diverged"
    export_runs(record, tmp_path / "out", "coco", ["rosenbrock"])
    ((_, evaluations, gaps),) = read_coco(tmp_path / "out", ".tdat")["sgd default", "2"]
    assert evaluations[-1] <= 1 + run["stopped_at"] < 13
    assert np.isfinite(gaps).all()


def test_a_problem_without_a_known_floor_is_refused_by_name(record: Record, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the floor of wave is not known; choose other problems by --problem"):
        export_runs(record, tmp_path / "out", "coco")
    with pytest.raises(UsageError, match="has no problem 'rosenbrok', did you mean 'rosenbrock'"):
        export_runs(record, tmp_path / "out", "ioh", ["rosenbrok"])
    assert not (tmp_path / "out").exists()


def test_the_commands_write_to_a_new_folder_and_say_what_is_counted(record: Record, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    done = CliRunner().invoke(cli, ["export", "ioh", str(record.path), out, "--problem", "wave"])
    assert done.exit_code == 0, done.output
    assert "runs of 4 optimizers and settings" in done.output
    assert "t steps are t + 1 evaluations" in done.output
    assert {name for _, name in read_ioh(tmp_path / "out")} == {"wave"}
    again = CliRunner().invoke(cli, ["export", "coco", str(record.path), out, "--problem", "rosenbrock"])
    assert "exists already" in str(again.exception)

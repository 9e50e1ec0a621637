"""The command line: what it prints, what it refuses in one line, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.record.cells import Record


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from benchmarks.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'mlflow', 'optuna', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.usefixtures("empty_pictures")
def test_a_report_that_a_killed_run_left_older_than_its_cells_is_written_again(
    call: Callable[..., int], tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    command = ["run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1"]
    assert call(*command) == 0
    page, cell = tmp_path / "out" / "report" / "index.html", tmp_path / "out" / "cells" / "ellipse--sgd" / "cell.json"
    before = page.stat().st_mtime
    os.utime(cell, (before + 5, before + 5))
    written: list[Path] = []
    monkeypatch.setattr("benchmarks.cli.execute.write_page", lambda folder, **_: written.append(folder) or page)
    assert call(*command) == 0
    assert len(written) == 1
    os.utime(page, (before + 9, before + 9))
    assert call(*command) == 0
    assert len(written) == 1


@pytest.mark.usefixtures("empty_pictures")
@pytest.mark.slow
def test_another_focus_runs_nothing_again_and_is_that_of_a_report_of_one_problem_too(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "tiny.toml", tmp_path / "out"
    file.write_text(tiny.replace('optimizers = ["sgd"]', 'optimizers = ["sgd", "momentum"]'))
    command = ["run", file, "--out", out, "--no-tracking", "--jobs", "1"]
    assert call(*command) == 0
    cells = {cell: cell.stat().st_mtime_ns for cell in (out / "cells").glob("*/cell.json")}
    assert len(cells) == 2
    file.write_text('focus = "momentum"\n' + file.read_text())
    assert call(*command) == 0
    assert {cell: cell.stat().st_mtime_ns for cell in cells} == cells
    text = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "momentum against the others" in text
    assert "Across problems" not in text
    assert "momentum,sgd" in (out / "report" / "tables" / "focus.csv").read_text(encoding="utf-8")
    capsys.readouterr()
    assert call("report", out, "--focus", "sdg") == 2
    assert "no optimizer 'sdg' to focus on, did you mean 'sgd'?" in capsys.readouterr().err


@pytest.mark.usefixtures("empty_pictures")
@pytest.mark.slow
@pytest.mark.parametrize("first", ["run", "report"])
def test_no_other_process_works_in_the_folder_while_the_report_is_drawn(
    first: str, call: Callable[..., int], tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "tiny.toml").write_text(tiny)
    again = ["run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1"]
    if first == "report":
        assert call(*again) == 0
    drawing: list[int] = []

    def draw(folder: Path, *_: object, **__: object) -> Path:
        scratch = folder / ".report-half"  # what a run that begins takes for the rest of a killed one
        scratch.mkdir()
        drawing.append(call(*again))
        assert scratch.is_dir()
        scratch.rmdir()
        return folder / "report" / "index.html"

    monkeypatch.setattr("benchmarks.cli.execute.write_page", draw)
    assert call(*(again if first == "run" else ["report", tmp_path / "out"])) == 0
    assert drawing == [2]
    assert "another stepscape is at work" in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_disk_does_not_take_is_one_line_and_nothing_half_stays(
    call: Callable[..., int],
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "tiny.toml").write_text(tiny)
    monkeypatch.setattr("pandas.DataFrame.to_parquet", full)
    assert call("run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1") == 1
    said = capsys.readouterr().err
    assert "stepscape: cell ellipse--sgd failed: [Errno 28] No space left on device" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "out" / "cells").iterdir())
    monkeypatch.undo()
    monkeypatch.setattr("analysis.pages.report.write_report", full)
    assert call("run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("stepscape: [Errno 28] No space left on device")


@pytest.mark.parametrize("command", ["run", "tune", "landscape", "list", "report", "ui", "speed", "check"])
def test_every_command_explains_itself(
    call: Callable[..., int], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(command, "--help") == 0
    assert "Usage: stepscape " + command in capsys.readouterr().out


def test_the_overview_cuts_no_sentence_short(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    assert "..." not in capsys.readouterr().out.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    "kind", ["problems", "optimizers", pytest.param("suites", marks=pytest.mark.slow), "schedules", "exhibits"]
)
def test_lists_are_lines_for_people_and_json_for_machines(
    call: Callable[..., int], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("list", kind) == 0
    lines = capsys.readouterr().out.splitlines()
    assert call("list", kind, "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [line.split()[0] for line in lines[1:]] == [entry["name"] for entry in entries]
    assert all(entry["description"] for entry in entries)


def test_a_run_prints_its_results_and_where_they_are(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    assert call("run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1") == 0
    out = capsys.readouterr().out
    assert "ellipse" in out
    assert "sgd" in out
    assert str(tmp_path / "out" / "report" / "index.html") in out
    assert call("run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking") == 0
    assert "tiny: 1 cell finished already" in capsys.readouterr().out


@pytest.mark.usefixtures("empty_pictures")
def test_tune_and_landscape_run_one_cell(
    call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--no-tracking", "--jobs", "1", "--steps", "15"]
    assert (
        call(
            "tune",
            "quadratic(dim=3)",
            "rmsprop",
            "--trials",
            "4",
            "--studies",
            "2",
            "--search",
            "lr=1e-3:1:log",
            "--fix",
            "eps=1e-4",
            *options,
        )
        == 0
    )
    assert call("landscape", "ellipse", "rmsprop", "--grid", "5x4", *options) == 0
    folders = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert [name.rpartition("-")[0] for name in folders] == [
        "landscape-ellipse-rmsprop",
        "tune-quadratic_dim_3-rmsprop",
    ]
    assert "rmsprop" in capsys.readouterr().out
    (tuned,) = Record.load(tmp_path / "results" / folders[1])
    assert [study.trials for study in tuned.info.studies] == [5, 5]  # the defaults and four


@pytest.mark.usefixtures("empty_pictures")
@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["landscape", "ellipse", "rmsprop", "--grid", "5x4"], ["tune", "ellipse", "sgd", "--studies", "1"]]
)
def test_a_single_cell_is_mirrored_too(
    call: Callable[..., int],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments, "--jobs", "1", "--out", "out", "--children", "2") == 0
    out = capsys.readouterr().out
    assert f"{arguments[2]} on ellipse: lr " in out  # the recommendation, in a sentence
    assert "stepscape ui out" in out
    assert (tmp_path / "out" / "mlflow.db").is_file()
    assert not (tmp_path / "out" / "unfinished").exists()


MISTAKES: list[tuple[list[str], str]] = [
    (["run", "quik"], "unknown suite 'quik', did you mean 'quick'"),
    (["run", "nowhere/mine.toml"], "there is no suite file"),
    (["tune", "elipse", "sgd"], "unknown problem 'elipse', did you mean 'ellipse'"),
    (["tune", "ellipse", "sdg"], "unknown optimizer 'sdg', did you mean 'sgd'"),
    (["tune", "ellipse", "sgd", "--trials", "0"], "0 is not in the range"),
    (["tune", "ellipse", "sgd", "--studies", "0"], "0 is not in the range"),
    (["tune", "ellipse", "sgd", "--sampler", "bayes"], "tuning.sampler"),
    (["tune", "ellipse", "sgd", "--schedule", "cosin"], "unknown schedule 'cosin'"),
    (["tune", "ellipse", "sgd", "--search", "lr"], "--search is written NAME=LOW:HIGH"),
    (["tune", "ellipse", "sgd", "--search", "lrr=1:2"], "no hyperparameter 'lrr', did you mean 'lr'"),
    (["tune", "ellipse", "sgd", "--fix", "lr=x"], "--fix is written NAME=VALUE"),
    (["tune", "ellipse", "sgd", "--children", "few"], "--children is a number, all or none"),
    (["landscape", "ellipse", "rmsprop", "--grid", "0x5"], "at least 2 points on each side, got 0x5"),
    (["landscape", "ellipse"], "Missing argument 'OPTIMIZER'"),
    (["report", "nowhere"], "not a results folder"),
    (["report", "mlflow:quick"], "needs --tracking-uri"),
    (["ui", "nowhere"], "nowhere"),
    (["list", "problem"], "is not one of"),
    (["rum"], "No such command 'rum'"),
    (["check", "no-such-thing"], "no-such-thing"),
    (["check", "ellipse", "--data", "nowhere"], "Directory 'nowhere' does not exist"),
    (["run", "smoke", "--minutes", "nan"], "a time budget is a positive number of minutes, got nan"),
    (["tune", "ellipse", "rmsprop", "--schedule", "gamma=cosine"], "gamma takes one of memory"),
    (["tune", "ellipse", "rmsprop", "--schedule", "lr=cosine gama=gamma-linear"], "'gama', did you mean 'gamma'"),
    (["tune", "ellipse", "sgd", "--search", "lr=1e-3:inf"], "both finite"),
    (["tune", "ellipse", "rmsprop", "--fix", "gamma=2"], "gamma is a memory and must be in [0, 1], got 2"),
    (["tune", "ellipse", "torch:RMSprop", "--fix", "gamma=2"], "gamma is a memory and must be in [0, 1], got 2"),
    (["tune", "ellipse", "torch:Adam(betas=3)"], "torch:Adam(betas=3) refuses"),
    (["tune", "sgd", "ellipse"], "'sgd' is an optimizer where a problem is expected; the problem comes first"),
    (["tune", "ellipse", "sgd", "--search", "lr=1e-3:1:lgo"], "unknown scale 'lgo', did you mean 'log'"),
    (["tune", "ellipse", "torch:Muon"], "Muon only supports 2D parameters"),
    (["tune", "ellipse", "torch:SparseAdam"], "cannot step on a parameter vector"),
    (["landscape", "ellipse", "rmsprop", "--grid", "100000x100000"], "a grid has at most"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_users_mistake_is_one_line_exit_code_2_and_nothing_written(
    call: Callable[..., int],
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["export"]], ids=["stepscape", "export"])
def test_a_command_without_its_subcommand_is_answered_with_its_help(
    call: Callable[..., int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("Usage: stepscape")
    assert len(err.splitlines()) > 5


def test_a_file_of_ones_own_is_found_in_the_working_folder(
    call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_bowl.py").write_text(
        "from problems import Analytic\n"
        "def bowl():\n"
        "    return Analytic(lambda x: x.square().sum(-1), (1.0, 2.0), minimum=0.0, steps=5)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])  # as the console script starts
    assert call("check", "own_bowl:bowl") == 0
    assert "own_bowl:bowl: 14 of 14 checks passed" in capsys.readouterr().out


def test_a_suite_that_is_no_toml_is_a_users_mistake(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.toml").write_text("name = ")
    assert call("run", tmp_path / "bad.toml") == 2
    assert "is not valid TOML" in capsys.readouterr().err


def test_a_foreign_folder_is_left_alone(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "tiny.toml").write_text(tiny)
    assert call("run", tmp_path / "tiny.toml", "--out", tmp_path / "out") == 2
    assert "holds other files" in capsys.readouterr().err
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_a_run_whose_cells_all_fail_exits_with_1(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rule.py").write_text(
        "from dataclasses import dataclass\n"
        "from optimizers import OptimizerSpec\n"
        "from optimizers.sgd import SGD\n"
        "@dataclass(frozen=True)\n"
        "class Broken(SGD):\n"
        "    def update(self, g, state, hp, t):\n"
        "        raise RuntimeError('no luck at all')\n"
        "SPEC = OptimizerSpec('broken-in-cli-test', Broken(), ('lr', None), 'nobody', 'fails')\n"
    )
    (tmp_path / "s.toml").write_text(
        tiny.replace('"sgd"', '"broken-in-cli-test"').replace("[tuning]", 'plugins = ["rule.py"]\n[tuning]')
    )
    assert call("run", "--trust", tmp_path / "s.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1") == 1
    assert "no luck at all" in capsys.readouterr().err


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("stepscape")


@pytest.mark.usefixtures("empty_pictures")
def test_a_time_budget_leaves_the_rest_for_later(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    arguments = ["run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1"]
    assert call(*arguments, "--minutes", "0.1") == 1  # less than the report is given
    assert "time is up before 1 of 1 cell ended" in capsys.readouterr().err
    assert call(*arguments) == 0


@pytest.mark.parametrize(("name", "said"), [("airfoil_self_noise.dat", False), ("airfoil.dat", True)])
def test_a_data_folder_without_the_file_says_so(
    call: Callable[..., int], name: str, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).touch()
    assert call("check", "ellipse", "--data", tmp_path) == 0
    assert ("holds no airfoil_self_noise.dat; airfoil runs on the surrogate" in capsys.readouterr().err) == said

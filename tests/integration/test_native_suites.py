"""Suites of modules as they are: the record says which way runs went and why, and goes on where it was broken off."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from analysis.pages import problem_section
from analysis.record.cells import Cell
from benchmarks.cli.listing import entries
from benchmarks.cli.main import main
from benchmarks.cli.show import everything
from benchmarks.conformance.report import check_name, check_problem
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import PROBLEMS
from benchmarks.record import checkpoints
from benchmarks.running.prepare import prepare
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
from problems.data import DIGITS
from problems.module import ModuleProblem

TRAIN = """
import torch
from torch import nn
from problems.module import ModuleProblem

def network():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, 2))

def mine():
    inputs = torch.linspace(-1, 1, 160).view(40, 4).sin()
    labels = (inputs.sum(1) > 0).long()
    return ModuleProblem(network, nn.functional.cross_entropy, (inputs, labels), batch=8, steps=6)

def flat():
    data = torch.linspace(-1, 1, 80).view(40, 2), torch.ones(40, 1)
    return ModuleProblem(lambda: nn.Linear(2, 1), nn.functional.mse_loss, data, batch=8, steps=6)
"""
BUDGET = {
    "tuning": {"studies": 1, "trials": 4, "block": 2, "seeds": 2},
    "test": {"seeds": 2},
    "landscape": {"grid": "3x2", "seeds": 1},
}
GROUPS = [{"dims": [1], "optimizer": "torch:AdamW", "lr": 0.003}, {"parameters": ["4.*"], "weight_decay": 0.0}]


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of the user, whose problems are forgotten afterwards."""
    path = tmp_path_factory.mktemp("plugin") / "train.py"
    specs = [f"spec_{made} = ProblemSpec({made!r}, {made}, 'A network.', 'here')" for made in ("mine", "flat")]
    path.write_text("\n".join(["from problems import ProblemSpec", TRAIN, *specs]), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PROBLEMS, "_specs", dict(PROBLEMS._specs))
        yield path


def suite(plugin: Path, optimizers: list[str], problems: tuple[str, ...] = ("mine",), **more: object) -> Suite:
    given = {"name": "native", "problems": list(problems), "optimizers": optimizers, "plugins": [str(plugin)]}
    return Suite.checked({**given, **BUDGET, **more}, "this test")


def cells(folder: Path) -> dict[str, Cell]:
    return {cell.info.cell: cell for cell in map(Cell.load, sorted((folder / "cells").iterdir()))}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, plugin: Path) -> Path:
    folder = tmp_path_factory.mktemp("native")
    mine = suite(plugin, ["rmsprop", "torch:Muon"], optimizer={"torch:Muon": {"groups": GROUPS}})
    assert run(mine, folder / "mine").failed == []
    assert run(suite(plugin, ["rmsprop"], ("flat",)), folder / "flat").failed == []
    return folder


def test_the_record_says_which_way_the_runs_went_and_why(record: Path) -> None:
    told = {cell.info.optimizer.name: cell.info for cell in cells(record / "mine").values()}
    muon, rmsprop = told["torch:Muon"], told["rmsprop"]
    (flat,) = (cell.info for cell in cells(record / "flat").values())

    assert muon.engines == rmsprop.engines == ("native",)
    assert muon.native == rmsprop.native == "BatchNorm1d '1' keeps running statistics"
    assert muon.optimizer.groups == ("* of 1 axes: torch:AdamW lr=0.003", "4.*: weight_decay=0")
    assert (flat.engines, flat.native, flat.optimizer.groups) == (("eager",), None, ())
    assert "native" not in json.loads((record / "flat" / "cells" / flat.cell / "cell.json").read_text())


def test_the_suite_of_the_record_reads_back_with_its_groups(record: Path) -> None:
    text = (record / "mine" / "suite.toml").read_text(encoding="utf-8")
    again = Suite.parse(text, "the record")
    assert [group.values for group in again.optimizer["torch:Muon"].groups or []] == [
        {"lr": 0.003},
        {"weight_decay": 0.0},
    ]
    assert run(again, record / "mine").ran == []  # what is finished is of the same definition


def test_the_report_says_it_in_the_table_of_how_it_was_measured(record: Path) -> None:
    told = dict(problem_section._measured(list(cells(record / "mine").values())))
    assert told["engine"] == "native (BatchNorm1d '1' keeps running statistics)"
    assert told["groups"].endswith("torch:Muon: * of 1 axes: torch:AdamW lr=0.003, 4.*: weight_decay=0")


def test_groups_are_part_of_the_optimizers_fingerprint(plugin: Path) -> None:
    prints = []
    for groups in ([], GROUPS, [{**GROUPS[0], "lr": 0.004}]):
        tables = {"optimizer": {"torch:SGD": {"groups": groups}}}
        prints.append(prepare(suite(plugin, ["torch:SGD"], **tables).cells()[0]).fingerprint)
    assert len(set(prints)) == 3
    assert prints[0] == prepare(suite(plugin, ["torch:SGD"]).cells()[0]).fingerprint


def test_a_cell_that_was_broken_off_goes_on_to_the_same_numbers(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = suite(plugin, ["torch:AdamW"])
    run(asked, tmp_path / "whole")
    monkeypatch.setattr(checkpoints, "WORTH_KEEPING", 0.0)
    count, calls = checkpoints.Checkpoints.count, []

    def broken(self: checkpoints.Checkpoints, updates: int) -> None:
        calls.append(updates)
        if len(calls) == 4:
            raise KeyboardInterrupt
        count(self, updates)

    monkeypatch.setattr(checkpoints.Checkpoints, "count", broken)
    with pytest.raises(KeyboardInterrupt):
        run(asked, tmp_path / "parts")
    run(asked, tmp_path / "parts")

    (whole,), (parts,) = (list(cells(tmp_path / name).values()) for name in ("whole", "parts"))
    assert parts.trials.drop(columns="seconds", errors="ignore").equals(
        whole.trials.drop(columns="seconds", errors="ignore")
    )
    assert parts.runs.equals(whole.runs)
    assert parts.curves.equals(whole.curves)


def test_a_module_is_trained_natively_where_that_is_asked_for(plugin: Path, tmp_path: Path) -> None:
    asked = suite(plugin, ["rmsprop"], ("flat", "ellipse"))
    run(asked, tmp_path / "out", engine="native")
    found = {cell.info.problem.name: (cell.info.engines, cell.info.native) for cell in cells(tmp_path / "out").values()}
    assert found == {"flat": (("native",), "it is asked for"), "ellipse": (("eager",), None)}


def test_a_group_on_a_formula_is_refused_before_anything_runs(plugin: Path, tmp_path: Path) -> None:
    asked = suite(plugin, ["torch:SGD"], ("ellipse",), optimizer={"torch:SGD": {"groups": GROUPS}})
    done = main_error(["run", str(written(tmp_path, asked)), "--no-tracking", "--trust"])
    assert "'ellipse' has one vector of parameters, without names" in done


def written(folder: Path, asked: Suite) -> Path:
    path = folder / "suite.toml"
    path.write_text(asked.to_toml(), encoding="utf-8")
    return path


def main_error(arguments: list[str]) -> str:
    """What a command that fails says."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code != 0
    return said.getvalue()


def test_native_problems_conform() -> None:
    report = check_name("digits-convnet(channels=2)")
    assert report.ok, str(report)
    *checks, said = report.findings
    assert len(checks) == 10
    assert said.complaint == "they are trained natively, a run at a time: BatchNorm2d '2' keeps running statistics"
    assert not any("compiled" in finding.requirement for finding in report.findings)


class Jittered(Dataset):
    """Digits with noise drawn anew whenever one is read."""

    def __len__(self) -> int:
        return 256

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        split = DIGITS.load()
        return split.inputs[row] + 0.1 * torch.randn(64), split.labels[row]


def test_augmented_data_conform_and_are_learned_from() -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))

    problem = ModuleProblem(network, nn.functional.cross_entropy, Jittered, steps=40, clip=5.0)
    assert check_problem(problem).ok
    training = Training(problem, "rmsprop", [0], 40, 20)
    first, again = (train(training, {"lr": 0.01}) for _ in range(2))
    assert first.final_loss.item() < 0.5 * first.loss[0, 0, 0].item()
    assert torch.equal(first.loss, again.loss)


def test_what_is_listed_and_shown_says_why_runs_are_native() -> None:
    listed = {each["name"]: each["native"] for each in entries("problems", exact=False)}
    assert (listed["ellipse"], listed["char-gru"]) == (None, None)
    assert listed["digits-convnet"] == "BatchNorm2d '2' keeps running statistics"
    assert everything("digits-convnet")[1]["native"] == listed["digits-convnet"]
    assert {each["native"] for each in entries("optimizers", exact=False)} == {None}
    assert everything("torch:Muon")[1]["native"] == "a foreign optimizer steps on the module's own tensors"

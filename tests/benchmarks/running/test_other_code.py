"""An edited optimizer never passes for the one that was measured: its old results are refused, and nothing is mixed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from analysis.record.cells import Cell, Record
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer
from benchmarks.record.folder import RecordFolder
from benchmarks.running import prepare as module
from benchmarks.running.jobs import CellJob
from benchmarks.running.prepare import prepare
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
from benchmarks.tuning.storages import close_storage, open_storage

RULE = '''
from dataclasses import dataclass
from optimizers import OptimizerSpec
from optimizers.sgd import SGD

def scaled(g):
    return g * 1.0

@dataclass(frozen=True)
class Edited(SGD):
    """Its docstring."""

    def update(self, g, state, hp, t):
        return scaled(g) * -hp["lr"]  # the step

SPEC = OptimizerSpec("edited-for-test", Edited(), ("lr", None), "nobody", "edited", defaults={"lr": 0.01})
'''
OTHER = RULE.replace("g * 1.0", "g * 0.5")

Edit = Callable[[str], Suite]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A function that writes the plug-in and gives its suite, as a new process would find them."""
    builtin = dict(OPTIMIZERS._specs)

    def write(text: str) -> Suite:
        plugin = tmp_path / "edited.py"
        plugin.write_text(text, encoding="utf-8")
        monkeypatch.setattr(OPTIMIZERS, "_specs", dict(builtin))
        module._load_plugin_once.cache_clear()
        content = {
            "name": "edits", "problems": ["ellipse"], "optimizers": ["edited-for-test"], "steps": 10,
            "plugins": [str(plugin)], "tuning": {"studies": 1, "trials": 4, "block": 2},
            "landscape": {"enabled": False},
        }  # fmt: skip
        return Suite.checked(content, "test")

    return write


def test_results_of_a_rule_that_was_edited_since_are_refused_by_name(edit: Edit, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert len(run(edit(RULE), out).landed) == 1
    with pytest.raises(UsageError) as refused:
        run(edit(OTHER), out)
    assert "holds ellipse--edited-for-test run with other code of optimizer 'edited-for-test'" in str(refused.value)
    assert "choose another folder with --out, or delete that cell" in str(refused.value)
    assert (out / "plugins" / "edited.py").read_text(encoding="utf-8") == RULE


def test_another_default_is_refused_too(edit: Edit, tmp_path: Path) -> None:
    run(edit(RULE), tmp_path / "out")
    with pytest.raises(UsageError, match="other code of optimizer 'edited-for-test'"):
        run(edit(RULE.replace('"lr": 0.01', '"lr": 0.02')), tmp_path / "out")


def test_an_edited_comment_or_docstring_is_no_other_code_and_the_copy_is_brought_up_to_date(
    edit: Edit, tmp_path: Path
) -> None:
    run(edit(RULE), tmp_path / "out")
    again = RULE.replace("# the step", "# its step").replace("Its docstring.", "Changed.").replace("nobody", "me")
    result = run(edit(again), tmp_path / "out")
    assert (len(result.kept), result.ran) == (1, [])
    assert (tmp_path / "out" / "plugins" / "edited.py").read_text(encoding="utf-8") == again


def test_a_cell_says_what_code_it_came_from(edit: Edit, tmp_path: Path) -> None:
    suite = edit(RULE)
    run(suite, tmp_path / "out")
    (cell,) = Record.load(tmp_path / "out")
    assert cell.info.optimizer.fingerprint == make_optimizer("edited-for-test").fingerprint()


def test_a_run_that_was_broken_off_goes_on_with_nothing_of_another_version(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.checkpoints.WORTH_KEEPING", 0.0)
    out = tmp_path / "out"
    suite = edit(RULE)
    RecordFolder(out).open(suite)
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.running.cell._test", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            CellJob(suite.cells()[0], RecordFolder(out)).run()
    assert len(list(out.glob("unfinished/*/study-1/*.pt"))) == 2
    run(edit(OTHER), out)
    run(edit(OTHER), tmp_path / "whole")
    mixed, whole = (Cell.load(folder / "cells" / "ellipse--edited-for-test") for folder in (out, tmp_path / "whole"))
    assert mixed.trials["objective"].tolist() == whole.trials["objective"].tolist()
    assert mixed.curves.equals(whole.curves)


def test_studies_in_a_storage_are_apart_for_every_version(edit: Edit, tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    for text in (RULE, OTHER, RULE):
        run(edit(text), tmp_path / f"out-{text.count('0.5')}", storage=url)
    names = optuna.get_all_study_names(open_storage(url))
    close_storage(url)
    assert len(names) == 2


def test_code_that_changes_while_the_suite_runs_is_not_run(edit: Edit, tmp_path: Path) -> None:
    suite = edit(RULE)
    record = RecordFolder(tmp_path / "out")
    record.open(suite)
    job = CellJob.of(prepare(suite.cells()[0]), record, None, None, None)
    edit(OTHER)  # and a worker begins
    with pytest.raises(UsageError, match="the code of optimizer 'edited-for-test' changed while the suite ran"):
        job.run()
    assert not job.finished


def fingerprint(schedule: str) -> str:
    content = {"name": "s", "problems": ["ellipse"], "optimizers": ["sgd"], "schedules": [schedule]}
    (plan,) = Suite.checked(content, "test").cells()
    return prepare(plan).fingerprint


def test_the_schedule_is_part_of_the_code() -> None:
    found = [fingerprint(name) for name in ("constant", "cosine", "linear", "exponential(final=0.1)", "exponential")]
    assert len(set(found)) == len(found)
    assert found[0] == OPTIMIZERS["sgd"].fingerprint()
    assert found[1] == fingerprint("cosine")


@pytest.mark.parametrize("other", ["torch:Adam(amsgrad=True)", "torch:Adam(lr=0.5)", "torch:AdamW", "torch:NAdam"])
def test_a_foreign_class_option_or_default_counts_and_a_range_does_not(other: str) -> None:
    adam = make_optimizer("torch:Adam").fingerprint()
    assert len(adam) == 16
    assert make_optimizer("torch:Adam", {"lr": [1e-4, 0.1]}).fingerprint() == adam
    assert make_optimizer(other).fingerprint() != adam


def test_another_version_of_a_foreign_package_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    adam = make_optimizer("torch:Adam").fingerprint()
    monkeypatch.setattr("benchmarks.naming.foreign.version", lambda _: "0.1.0")
    assert make_optimizer("torch:Adam").fingerprint() != adam


def test_the_code_of_ones_own_torch_optimizer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "import torch\n"
        "FACTOR = 1.0\n"
        "class Own(torch.optim.SGD):\n"
        "    def step(self, closure=None):\n"
        "        return super().step(closure) if FACTOR else None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    prints = []
    for number, content in enumerate((text, f"# a comment\n{text}", text.replace("1.0", "2.0"))):
        (tmp_path / f"own_optimizer_{number}.py").write_text(content, encoding="utf-8")
        spec = make_optimizer(f"own_optimizer_{number}:Own")
        spec.factory.__module__ = "own_optimizer"  # files cannot be told apart by their names
        monkeypatch.setitem(sys.modules, "own_optimizer", importlib.import_module(f"own_optimizer_{number}"))
        prints.append(spec.fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_plugins_of_one_file_name_are_both_kept(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"# {folder}", encoding="utf-8")
    plugins = [str(tmp_path / folder / "mine.py") for folder in ("a", "b")]
    suite = Suite.checked({"name": "s", "problems": ["ellipse"], "optimizers": ["sgd"], "plugins": plugins}, "test")
    record = RecordFolder(tmp_path / "out")
    record.open(suite)
    assert {file.name: file.read_text() for file in record.plugins.iterdir()} == {"mine.py": "# a", "mine-2.py": "# b"}
    record.open(suite)


def test_a_folder_broken_off_after_its_plugins_were_kept_is_taken_up(edit: Edit, tmp_path: Path) -> None:
    suite = edit(RULE)
    RecordFolder(tmp_path / "out").open(suite)
    (tmp_path / "out" / "suite.toml").unlink()
    RecordFolder(tmp_path / "out").open(suite)
    assert (tmp_path / "out" / "suite.toml").is_file()

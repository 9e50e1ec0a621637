"""A survey says all that cannot run at once, and goes on without it where its suite says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.errors import SuiteError, UsageError
from benchmarks.naming.registry import make_optimizer
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

TEXT = """
name = "survey"
problems = ["elipse", "ellipse", "quadratic(dimm=3)"]
optimizers = ["sgd", "rmsprob", "torch.optim:RMSpropp", "torch.optm:Adam"]
schedules = ["constant", "cosin"]
steps = 4
evaluations = 2
[tuning]
studies = 1
trials = 2
block = 2
[landscape]
enabled = false
"""
WRONG = (
    "unknown problem 'elipse', did you mean 'ellipse'?",
    "problem 'quadratic' has no parameter 'dimm', did you mean 'dim'?",
    "unknown optimizer 'rmsprob', did you mean 'rmsprop'?",
    "module 'torch.optim' has no attribute 'RMSpropp', did you mean 'RMSprop'?",
    "No module named 'torch.optm', did you mean 'optim'?",
    "unknown schedule 'cosin', did you mean 'cosine'?",
)
SKIP = TEXT.replace("steps = 4", 'steps = 4\non_error = "skip"')


def test_everything_that_cannot_run_is_listed_at_once_and_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as refused:
        run(Suite.parse(TEXT, "test"), tmp_path / "out")
    said = str(refused.value)
    assert said.startswith("6 mistakes in survey, and nothing was run: ")
    assert not [words for words in WRONG if said.count(words) != 1]
    assert 'on_error = "skip"' in said
    assert not (tmp_path / "out").exists()


def test_a_suite_that_skips_what_cannot_run_runs_the_rest_and_writes_down_what_failed(tmp_path: Path) -> None:
    suite = Suite.parse(SKIP, "test")
    result = run(suite, tmp_path / "out")
    assert [done.name for done in result.landed] == ["ellipse--sgd"]
    assert len(result.failed) == len(suite.cells()) - 1
    kept = json.loads((tmp_path / "out" / "failures.json").read_text())
    assert kept == {failed.name: failed.error for failed in result.failed}
    everything = " ".join(kept.values())
    assert not [words for words in WRONG if words not in everything]
    again = run(suite, tmp_path / "out")
    assert again.kept == ["ellipse--sgd"]
    assert len(again.failed) == len(result.failed)


def test_a_record_goes_on_when_the_fault_is_mended_and_forgets_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SKIP.replace('"elipse", ', "").replace(', "quadratic(dimm=3)"', "").replace(', "cosin"', "")
    text = text.replace(', "rmsprob", "torch.optim:RMSpropp", "torch.optm:Adam"', ', "later_survey:Late"')
    failed = run(Suite.parse(text, "test"), tmp_path / "out").failed
    assert [cell.error for cell in failed] == ["'later_survey:Late' cannot be imported: No module named 'later_survey'"]
    assert (tmp_path / "out" / "failures.json").is_file()
    (tmp_path / "later_survey.py").write_text("from torch.optim import SGD\nclass Late(SGD): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    mended = run(Suite.parse(text.replace("skip", "stop"), "test"), tmp_path / "out")
    assert not mended.failed
    assert len(mended.landed) == len(mended.kept) == 1
    assert not (tmp_path / "out" / "failures.json").exists()
    assert 'on_error = "skip"' in (tmp_path / "out" / "suite.toml").read_text()


@pytest.mark.usefixtures("empty_pictures")
def test_the_command_names_the_skipped_cells_at_its_end_and_in_the_report(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "survey.toml"
    file.write_text(SKIP.replace(', "rmsprob", "torch.optim:RMSpropp", "torch.optm:Adam"', "").replace(', "cosin"', ""))
    command = ["run", file, "--out", tmp_path / "out", "--no-tracking", "--jobs", "1"]
    assert call(*command) == 1
    said = capsys.readouterr().err
    assert "stepscape: cell elipse--sgd failed: unknown problem 'elipse', did you mean 'ellipse'?" in said
    assert "Traceback" not in said
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Failed in the last run" in page
    assert "<strong>elipse--sgd</strong>: unknown problem &#39;elipse&#39;" in page


def test_a_plugin_file_that_fails_is_the_only_mistake(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0\n")
    suite = Suite.parse(TEXT, "test").model_copy(update={"plugins": [str(tmp_path / "mine.py")]})
    with pytest.raises(Exception, match=r"mine\.py failed: ZeroDivisionError: division by zero \(.*:1\)$"):
        run(suite, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torhc.optim:Adam", "No module named 'torhc', did you mean 'torch'?"),
        ("torch.optim:Adem", "did you mean 'Adam'?"),
        ("torch:Adem", "torch.optim has no 'Adem', did you mean 'Adam'"),
    ],
)
def test_the_nearest_name_of_a_foreign_package_is_offered(name: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        make_optimizer(name)
    assert words in str(refused.value)

"""The tutorial: every command of it is run, made small, and what it promises is found where it says."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.cli.main import main
from benchmarks.suite.suite import Suite

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ stepscape (.*)$", PAGE, re.MULTILINE)
SMALL = {
    "tune": "--trials 16 --seeds 2 --test-seeds 5 --no-tracking -j 1",
    "landscape": "--grid 6x4 --seeds 1 --no-tracking -j 1",
}


def called(command):
    """The exit code of a command of the page, made small."""
    words = shlex.split(command)
    with pytest.raises(SystemExit) as left:
        main([*words, *shlex.split(SMALL.get(words[0], ""))])
    return left.value.code


@pytest.mark.slow
def test_the_commands_of_the_page_answer_the_question(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own = [command for command in COMMANDS if not command.startswith("run ")]
    assert [command.split()[0] for command in own] == ["tune", "tune", "compare", "landscape"]
    for command in own:
        code, compares = called(command), command.startswith("compare")
        printed = capsys.readouterr().out
        assert code == 0 or (compares and code == 1), command
        assert ("B against A" in printed) == compares
    for folder in ("eps-small", "eps-large", "eps-map"):
        assert (tmp_path / "results" / folder / "report" / "index.html").is_file()


def test_the_suite_of_the_page_is_built_in_and_writes_the_chapters_page():
    (suite,) = [command.removeprefix("run ") for command in COMMANDS if command.startswith("run ")]
    assert Suite.load(suite).report == "chapter"


def test_the_page_names_files_problems_and_optimizers_that_exist():
    from benchmarks.naming.registry import OPTIMIZERS, make_problem

    assert (ROOT / "docs" / "extending.md").is_file()
    assert "bench:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for problem in ("digits-mlp", "quadratic(dim=20, condition=1e4)"):
        assert problem in PAGE
        assert make_problem(problem).name
    assert "rmsprop-torch" in PAGE
    assert "rmsprop-torch" in OPTIMIZERS

"""The front page: its Python and its suite work, its commands exist, its links lead somewhere, its numbers are true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import problems
from benchmarks.cli.main import cli
from benchmarks.running.prepare import prepare
from benchmarks.suite.suite import Suite
from optimizers import BUILTIN, SCHEDULES

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/tutorial.md", "docs/extending.md", "docs/suites.md",
    "docs/protocol.md", "docs/parity.md", "docs/scale.md", "docs/zoom.md",
)  # fmt: skip
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ stepscape (.*?) *(?:#.*)?$", README, re.MULTILINE)


def test_the_python_runs_as_it_stands() -> None:
    code, _ = [text for kind, text in BLOCKS if kind == "python"]
    made: dict[str, object] = {}
    exec(compile(code.replace("4096", "8"), "README.md", "exec"), made)
    assert made["trace"].final_loss.shape == (8, 4)


@pytest.mark.slow
def test_the_python_of_suites_and_records_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code = [text for kind, text in BLOCKS if kind == "python"]
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), made)
    assert made["record"].problems == ("ellipse", "airfoil")


def test_the_suite_can_be_run() -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "toml"]
    suite = Suite.parse(text, "README.md")
    assert [prepare(plan).steps for plan in suite.cells()] == [600] * 6 + [300] * 6


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    words = shlex.split(command)
    found: click.Command = cli
    while isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    found.make_context("stepscape", words)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).is_file()] == []


def test_the_numbers_of_the_changelog_are_those_of_the_registries() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"{len(BUILTIN)} optimizers and {len(problems.BUILTIN)} problems" in text
    assert f"{len(SCHEDULES)} schedules" in text

"""The page on more than one machine: the commands of shards and SLURM exist, its scripts are whole."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from benchmarks.cli.main import cli
from benchmarks.running.on_slurm import slurm_options

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))
PARTS = SECTIONS["Shards"] + SECTIONS["SLURM"]
JOINED = PARTS.replace("\\\n", " ").replace("${{ matrix.k }}", "1")
JOINED = JOINED.replace("$SLURM_ARRAY_TASK_ID", "1").replace("$SLURM_ARRAY_TASK_COUNT", "16")
COMMANDS = [text.split("#")[0] for text in re.findall(r"stepscape ((?:run|merge|report) [^`\n&]*)", JOINED)]


def test_the_page_has_the_commands_of_both_ways() -> None:
    assert len(COMMANDS) == 9
    assert any("--backend slurm" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    words = shlex.split(command)
    found = cli.commands[words.pop(0)]
    assert isinstance(found, click.Command)
    context = found.make_context("stepscape", words)
    if given := context.params.get("slurm"):
        assert slurm_options(given) == {"partition": "cpu", "time": 240, "cpus_per_task": 8, "mem": "16G"}

"""The page on more than one machine: the commands of shards and SLURM exist, its scripts are whole."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

from benchmarks.cli.main import cli
from benchmarks.running.backends.choose import BACKENDS
from benchmarks.running.on_slurm import slurm_options
from benchmarks.running.run_suite import run

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))
PARTS = SECTIONS["Shards"] + SECTIONS["SLURM"]
JOINED = PARTS.replace("\\\n", " ").replace("${{ matrix.k }}", "1")
JOINED = JOINED.replace("$SLURM_ARRAY_TASK_ID", "1").replace("$SLURM_ARRAY_TASK_COUNT", "16")
COMMANDS = [text.split("#")[0] for text in re.findall(r"stepscape ((?:run|merge|report) [^`\n&]*)", JOINED)]
CLUSTERS = re.findall(r"stepscape (run [^`\n#]*)", SECTIONS["Dask"] + SECTIONS["Ray"])
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_the_commands_of_both_ways() -> None:
    assert len(COMMANDS) == 9
    assert any("--backend slurm" in command for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, *CLUSTERS])
def test_every_command_exists_with_its_options(command: str) -> None:
    words = shlex.split(command)
    found = cli.commands[words.pop(0)]
    assert isinstance(found, click.Command)
    context = found.make_context("stepscape", words)
    if given := context.params.get("slurm"):
        assert slurm_options(given) == {"partition": "cpu", "time": 240, "cpus_per_task": 8, "mem": "16G"}


def test_the_page_has_a_command_of_each_cluster() -> None:
    assert [re.findall("--backend ([a-z]+)", command) for command in CLUSTERS] == [["dask"], ["ray"]]


def test_workers_of_dask_are_started_with_options_that_there_are() -> None:
    worker = pytest.importorskip("distributed.cli.dask_worker", reason="the extra [dask] is not installed").main
    (given,) = re.findall(r"\$ dask worker (.*)", SECTIONS["Dask"])
    context = worker.make_context("worker", shlex.split(given))
    assert (context.params["nthreads"], context.params["n_workers"]) == (1, "8")


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_calls_run_as_it_can_be_called(snippet: str) -> None:
    calls = [node for node in ast.walk(ast.parse(snippet)) if isinstance(node, ast.Call)]
    (called,) = [call for call in calls if ast.unparse(call.func) == "run"]
    named = {word.arg: word.value for word in called.keywords if word.arg is not None}
    bound = inspect.signature(run).bind(*called.args, **named)
    assert ast.literal_eval(bound.arguments["backend"]) in BACKENDS

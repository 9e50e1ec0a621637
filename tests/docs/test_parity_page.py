"""The page on implementations: its commands print what stands there, its Python runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "parity.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```console\n\$ stepscape (.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_stands_there(
    command: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    cli.main(shlex.split(command), standalone_mode=False)
    assert capsys.readouterr().out.split() == shown.split()


def test_there_is_one_of_each() -> None:
    assert [command.split()[0] for command, _ in SHOWN] == ["parity", "translate"]


def test_the_python_runs_as_it_stands() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs/parity.md", "exec"), {})

"""The page on one's own problems and optimizers: every block of it is run, and its package is built and installed."""

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks.cli.main import main
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS
from benchmarks.suite.suite import Suite

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

ONE_AFTER_THE_OTHER = """
import shlex, sys
from benchmarks.cli.main import main
for command in sys.argv[1:]:
    try:
        main(shlex.split(command))
    except SystemExit as left:
        assert not left.code, command
    print(end=chr(0))
"""
"""Commands in one process, which imports everything once."""


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


def file_of(block):
    """The file a block belongs to, named in its first line; None for one that is run as it stands."""
    match = re.match(r"# (\S+\.\w+)\n", block)
    return match[1] if match else None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the files of the page, whose specs are forgotten afterwards."""
    for text in (*blocks("python"), *blocks("toml")):
        if name := file_of(text):
            with (tmp_path / name).open("a") as file:
                file.write(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for known in (OPTIMIZERS, PROBLEMS):
        monkeypatch.setattr(known, "_specs", dict(known._specs))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("mine", None)


def test_the_python_of_the_page_runs_from_top_to_bottom(folder, capsys):
    run = [text for text in blocks("python") if file_of(text) is None]
    for text in run:
        exec(compile(text, "docs/extending.md", "exec"), {})
    assert len(run) == 3
    assert "this problem uses chunk=16" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("command", re.findall(r"^\$ stepscape (.*)$", "\n".join(blocks("console")), re.MULTILINE))
def test_the_commands_of_the_page_succeed(folder, command, capsys):
    small = {
        "tune": ["--studies", "1", "--trials", "4", "--seeds", "1", "--test-seeds", "2", "--no-tracking", "-j", "1"],
        "landscape": ["--seeds", "1", "--no-tracking", "-j", "1"],
    }
    with pytest.raises(SystemExit) as left:
        main([*shlex.split(command.replace("24x16", "4x3")), *small.get(command.split()[0], [])])
    assert left.value.code == 0
    assert "FAIL" not in capsys.readouterr().out


def test_the_suites_of_the_page_are_valid(folder):
    suites = [text for text in blocks("toml") if file_of(text) is None]
    for text in suites:
        path = folder / f"{tomllib.loads(text)['name']}.toml"
        path.write_text(text)
        assert Suite.load(str(path)).cells()
    assert len(suites) == 3


@pytest.mark.slow
def test_the_package_of_the_page_is_built_installed_and_found(folder, tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", site, folder], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    commands = [
        "list optimizers",
        "list problems",
        "check quarter-root",
        "check moons(hidden=4)",
        "landscape moons(hidden=4) quarter-root --steps 5 --grid 3x2 --no-tracking --jobs 1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, *commands],
        check=True, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("elsewhere"), env=environment,
    )  # fmt: skip
    optimizers, problems, rule, problem, found = done.stdout.split("\0")[:-1]
    assert "quarter-root" in optimizers
    assert "moons" in problems
    assert rule.endswith("quarter-root: 14 of 14 checks passed\n")
    assert problem.endswith("moons(hidden=4): 14 of 14 checks passed\n")
    assert "quarter-root" in found

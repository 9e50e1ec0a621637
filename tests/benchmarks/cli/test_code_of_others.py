"""Code that a suite or a record from somebody else names: imported by `run` alone, and only where its user agreed."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.naming.registry import PROBLEMS
from benchmarks.running import prepare
from benchmarks.running.imports import imports_of
from benchmarks.suite.suite import Suite

MODULE = """
from dataclasses import dataclass
from pathlib import Path

from benchmarks.registry import make_optimizer, make_problem
from problems import ProblemSpec

Path({marker!r}).touch()


def thing():
    return make_problem("ellipse").named("evil-plugin")


rule = make_optimizer("sgd").rule
evil_plugin = ProblemSpec("evil-plugin", thing, "A problem of somebody's.", "nowhere")
"""

SUITE = """
name = "theirs"
problems = ["evil-plugin"]
optimizers = ["evil_module:rule"]
plugins = ["evil_plugin.py"]
steps = 20
[tuning]
studies = 3
trials = 2
[test]
seeds = 2
[landscape]
grid = "3x2"
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that is there once a file of somebody else's was imported."""
    return tmp_path / "imported"


@pytest.fixture
def theirs(tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somebody else's suite, outside the current folder, with a plug-in file, and a module that can be imported."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("evil_module", "evil_plugin"):
        (folder / f"{name}.py").write_text(MODULE.format(marker=str(marker)))
    (folder / "suite.toml").write_text(SUITE)
    monkeypatch.syspath_prepend(folder)
    _forget()
    yield folder / "suite.toml"
    _forget()


def _forget() -> None:
    """Let the code be imported again, were it named to whoever imports."""
    sys.modules.pop("evil_module", None)
    PROBLEMS._specs.pop("evil-plugin", None)  # type: ignore[attr-defined]  # a registry has no way to forget
    prepare._load_plugin_once.cache_clear()


@pytest.fixture
def record(call: Callable[..., int], theirs: Path, marker: Path) -> Path:
    """The record of their suite in the current folder; nothing that it names is imported any more."""
    assert call("run", theirs, "--trust", "--out", "record", "--no-tracking", "--jobs", "1") == 0
    assert marker.exists()
    marker.unlink()
    _forget()
    return Path("record")


@pytest.mark.slow
@pytest.mark.usefixtures("empty_pictures")
def test_no_command_on_a_record_imports_what_it_names(call: Callable[..., int], record: Path, marker: Path) -> None:
    for command in (
        ("report", record, "--jobs", "1"),
        ("compare", record, record),
        ("replay", record, "--sampler", "random", "--budget", "2", "--repeats", "1"),
        ("export", "optuna", record, "journal:///studies.log"),
        ("list", "problems"),
    ):
        assert call(*command) == 0, command
        assert not marker.exists(), command
        assert "evil_module" not in sys.modules


@pytest.mark.slow
@pytest.mark.usefixtures("empty_pictures")
def test_neither_does_mlflow(
    call: Callable[..., int],
    record: Path,
    marker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = f"sqlite:///{tmp_path / 'copy.db'}"
    assert call("sync", record) == 0
    assert call("sync", record, store) == 0
    assert call("report", "mlflow:theirs", "--tracking-uri", store, "--jobs", "1") == 0
    monkeypatch.setattr("benchmarks.mlflow_mirror.ui._command", lambda *_: ["false"])  # MLflow's own program
    assert call("ui", record, "--port", "59371") == 2
    assert "server did not start" in capsys.readouterr().err
    assert not marker.exists()
    assert "evil_module" not in sys.modules


def test_a_suite_from_elsewhere_imports_nothing_before_its_user_agrees(
    call: Callable[..., int], theirs: Path, marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ((), ("--dry-run",)):
        assert call("run", theirs, "--no-tracking", *more) == 2
        said = capsys.readouterr().err
        assert f"imports {theirs.parent / 'evil_plugin.py'}, evil_module:rule" in said
        assert "say --trust; nothing was imported" in said
    assert not marker.exists()
    assert not Path("results").exists()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("y\n", 0)])
def test_on_a_terminal_the_user_is_asked(
    answer: str,
    code: int,
    call: Callable[..., int],
    theirs: Path,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert call("run", theirs, "--dry-run") == code
    assert marker.exists() == (answer == "y\n")
    assert "Import it? [y/N]" in capsys.readouterr().err


def test_a_suite_below_the_current_folder_is_the_users_own(
    call: Callable[..., int], theirs: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(theirs.parent.parent)
    assert call("run", theirs, "--dry-run") == 0
    assert marker.exists()


def test_a_suite_from_elsewhere_that_names_only_what_is_ours_is_not_asked_about(
    call: Callable[..., int], theirs: Path, tiny: str
) -> None:
    theirs.write_text(tiny.replace('["sgd"]', '["sgd", "torch:Adam(amsgrad=True)"]'))
    assert call("run", theirs, "--dry-run") == 0


def test_what_an_exhibits_options_name_is_told_too(tiny: str) -> None:
    text = tiny.replace("[tuning]", 'exhibits = ["gamma-schedules"]\n[tuning]', 1)
    suite = Suite.parse(f'{text}\n[exhibit.gamma-schedules]\non = ["airfoil", "theirs:thing(dim=2)"]\n', "here")
    assert imports_of(suite) == ["theirs:thing"]

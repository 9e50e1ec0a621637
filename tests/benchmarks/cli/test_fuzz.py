"""Thousands of commands, suites and records that make no sense: no traceback, no hang, and a known exit code."""

from __future__ import annotations

import io
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from benchmarks.cli.main import main
from benchmarks.running.run_suite import run
from benchmarks.suite import settings as tables_of
from benchmarks.suite.suite import Suite

LONGEST: Final = 120  # seconds of one call; the slowest takes one on an idle machine
CODES: Final = (0, 1, 2, 130)

TEXTS: Final = (
    "", " ", "-", "--", "-h", "--json", "x", "0", "-1", "1.5", "nan", "inf", "1e400", str(2**63), "9" * 5000,
    "²", "é", "🙂", "\udcff", "\n", "{", "[[", "(", ")", "=", ":", "lr=", "lr=1:2", "lr=2:1", "lr=nan:inf",
    "lr=1:2:3:4", "eps=1e-8", "a" * 300, "a/" * 2000, "..", "/", "/dev/null", "a(b=", "quadratic(dim=0)",
    "quadratic(dim=1e9)", f"quadratic(dim={10**30})", "ellipse", "ellipse,ellipse", "ellipse,", "sgd", "rmsprop",
    "cosine", "lr=cosine gamma=cosine", "warmup(then='warmup')", "tpe", "gp", "grid", "final", "q0.9", "q1",
    "hyperband", "optuna:X", "optuna:NopPruner", "torch:", "torch:Adam", "torch:Adam(lr=x)", "torch:LBFGS",
    "os:system", "nowhere:X", "nowhere.x:y.z", ":x", "x:", "smoke", "quick", "problems", "memory", "http://[",
    "sqlite://", "mlflow:x", "mlflow:", "journal://", "journal:///x.log", "2x2", "0x0", "x" * 64 + ".toml",
    "ellipse=sgd", "a=b=c", "12", "all",
)  # fmt: skip
"""Words that somebody could type, and some that nobody would."""

OPTIONS: Final = {
    "list": ("--json",),
    "show": ("--json",),
    "run": ("--out", "--jobs", "--data", "--tracking-uri", "--no-tracking", "--storage", "--minutes",
            "--children", "--trust"),
    "tune": ("--steps", "--schedule", "--search", "--fix", "--plugin", "--studies", "--trials", "--block", "--sampler",
             "--seeds", "--test-seeds", "--objective", "--aggregate", "--pruner", "--widen", "--out", "--children"),
    "landscape": ("--steps", "--schedule", "--search", "--fix", "--plugin", "--grid", "--seeds", "--jobs"),
    "report": ("--out", "--tracking-uri", "--jobs"),
    "compare": ("--map", "--json"),
    "plan": ("--effect", "--power", "--csv"),
    "replay": ("--sampler", "--budget", "--repeats"),
    "export": (),
    "export optuna": (),
    "sync": ("--children",),
    "ui": ("--port", "--no-open"),
    "dashboard": ("--port",),
    "check": ("--plugin", "--data"),
    "cache": ("--clear",),
    "speed": ("--repeats", "--nothing"),
    "nothing": (),
}  # fmt: skip
"""Every command with options of its own. What would train or serve is asked for a dry run, or lacks what it needs."""

ARGUMENTS: Final = {
    "show": ("rmsprop",),
    "run": ("tiny.toml",),
    "tune": ("ellipse", "sgd"),
    "landscape": ("ellipse", "rmsprop"),
    "report": ("mlflow:x",),
    "compare": ("record", "record"),
    "plan": ("record",),
    "replay": ("record", "--again", "--sampler", "random", "--budget", "2", "--repeats", "1"),
    "export optuna": ("record",),
    "sync": ("nowhere",),
    "ui": ("record",),
    "dashboard": ("nowhere",),
}
"""What makes sense behind a command, so that it gets as far as its options."""

DRY: Final = ("run", "tune", "landscape")
SLOW: Final = (("list", "problems"), ("speed",))  # seconds each, and nothing that an argument could break


@contextmanager
def _within_time() -> Iterator[None]:
    def late(*_: object) -> None:
        pytest.fail(f"no end after {LONGEST} s")  # no exception that a command would take for its own

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def said_by(arguments: list[str]) -> str:
    """What the command prints; it has to end by itself, in time, with a known code and without a traceback."""
    out = io.StringIO()
    with _within_time(), redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code in CODES, arguments
    assert "Traceback" not in out.getvalue(), arguments
    return out.getvalue()


@some.composite
def commands(draw: Callable[..., Any]) -> list[str]:
    """A command with arguments and options, a few too many or too few."""
    command = draw(some.sampled_from(sorted(OPTIONS)))
    words = [*command.split(), *(["--dry-run"] if command in DRY else [])]
    words += draw(some.sampled_from(((), ARGUMENTS.get(command, ()))))
    for _ in range(draw(some.integers(0, 4))):
        if OPTIONS[command] and draw(some.booleans()):
            words.append(draw(some.sampled_from(OPTIONS[command])))
        words.append(draw(some.sampled_from(TEXTS)))
    if any(tuple(words[: len(slow)]) == slow for slow in SLOW):
        words.append("--nothing")
    return words


KEYS: Final = {
    "": tuple(Suite.model_fields),
    "tuning": tuple(tables_of.Tuning.model_fields),
    "test": tuple(tables_of.Test.model_fields),
    "landscape": tuple(tables_of.Landscape.model_fields),
    "problem.ellipse": tuple(tables_of.Overrides.model_fields),
    "optimizer.sgd": tuple(tables_of.Overrides.model_fields),
    "cell": tuple(tables_of.CellOverrides.model_fields),
    "exhibit.memory": ("gammas", "steps", "on"),
}
"""The keys of every table of a suite."""

VALUES: Final = some.recursive(
    some.sampled_from(TEXTS)
    | some.booleans()
    | some.sampled_from([-1, 0, 1, 2, 5, 1001, 10**9, 2**63, 2**70, 0.5, -0.0, float("inf"), float("nan")]),
    lambda values: some.lists(values, max_size=3) | some.dictionaries(some.sampled_from(("lr", "x", "steps")), values),
    max_leaves=4,
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return str(value)
    return json.dumps(value)


@some.composite
def suites(draw: Callable[..., Any]) -> str:
    """The text of a suite whose keys have values of all kinds, and whose lines may be broken."""
    tables: dict[str, dict[str, Any]] = {table: {} for table in KEYS}
    tables[""] = {"name": "fuzz", "problems": ["ellipse"], "optimizers": ["sgd"]}
    for _ in range(draw(some.integers(0, 3))):
        table = draw(some.sampled_from(sorted(KEYS)))
        tables[table][draw(some.sampled_from((*KEYS[table], "nothing")))] = draw(VALUES)
    lines = []
    for table, content in tables.items():
        if table and content:
            lines.append("[[cell]]" if table == "cell" else f"[{table}]")
        lines += [f"{key} = {_toml(value)}" for key, value in content.items()]
    if draw(some.integers(0, 4)) == 0:
        lines.insert(draw(some.integers(0, len(lines))), draw(some.sampled_from(TEXTS)))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def here(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with a record of a real run in it."""
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STEPSCAPE_CACHE", str(folder / "cache"))  # which a command may clear
        Path("tiny.toml").write_text(tiny)
        assert not run("tiny.toml", "record").failed
        yield folder


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """The settings of hypothesis: as many ``examples``, the same in every run, however long they take."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


def _run_suite(text: str) -> None:
    Path("fuzz.toml").write_text(text, encoding="utf-8", errors="surrogateescape")
    said_by(["run", "--dry-run", "fuzz.toml"])


def _read_record(file: str, content: str, command: tuple[str, ...]) -> None:
    shutil.rmtree("copy", ignore_errors=True)
    shutil.copytree("record", "copy")
    place = Path("copy") / file
    place.parent.mkdir(exist_ok=True)
    place.write_text(content, encoding="utf-8", errors="surrogateescape")
    said_by(list(command))


READERS: Final = (
    ("compare", "copy", "record"),
    ("compare", "record", "copy", "--json"),
    ("ui", "copy"),
    ("report", "copy", "--out", "tiny.toml"),  # no folder: it is refused after the record is read
    ("replay", "copy", "--sampler", "nothing"),
    ("export", "optuna", "copy", "nothing"),
    ("run", "--dry-run", "copy/suite.toml"),
)
CHANGED: Final = ("suite.toml", "environment.json", "plugins/mine.py", "failures.json")


@fuzzed(60)
@given(words=commands())
def test_no_command_of_some_ends_in_a_traceback(words: list[str], here: Path) -> None:
    said_by(words)


@fuzzed(40)
@given(text=suites())
def test_no_suite_of_some_ends_in_a_traceback(text: str, here: Path) -> None:
    _run_suite(text)


@pytest.mark.slow
@fuzzed(1500)
@given(words=commands())
def test_no_command_ends_in_a_traceback(words: list[str], here: Path) -> None:
    said_by(words)


@pytest.mark.slow
@fuzzed(1200)
@given(text=suites())
def test_no_suite_ends_in_a_traceback(text: str, here: Path) -> None:
    _run_suite(text)


@pytest.mark.slow
@fuzzed(500)
@given(file=some.sampled_from(CHANGED), content=suites() | some.sampled_from(TEXTS), command=some.sampled_from(READERS))
def test_no_file_of_a_record_ends_in_a_traceback(file: str, content: str, command: tuple[str, ...], here: Path) -> None:
    _read_record(file, content, command)

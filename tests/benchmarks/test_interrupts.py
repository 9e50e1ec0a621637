"""Ctrl-C at any moment ends a command with 130 and one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.interrupts import with_interrupts


@pytest.fixture(autouse=True)
def _handler_put_back() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _press() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)


def _plain() -> None:
    _press()


def _as_a_broken_import() -> None:
    try:
        _press()
    except KeyboardInterrupt:
        raise ImportError("a compiled module that was interrupted says something else") from None


@pytest.mark.parametrize("command", [_plain, _as_a_broken_import])
def test_whatever_breaks_on_it_is_one_line_and_130(
    command: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        with_interrupts(command)
    assert left.value.code == 130
    said = capsys.readouterr().err
    assert said.startswith("stepscape: interrupted")
    assert said.count("\n") == 1


def test_a_mistake_that_is_said_after_it_leaves_with_130_too() -> None:
    def refused() -> None:
        try:
            _press()
        except KeyboardInterrupt:
            sys.exit(2)

    with pytest.raises(SystemExit) as left:
        with_interrupts(refused)
    assert left.value.code == 130


def test_errors_without_it_are_what_they_are() -> None:
    def wrong() -> None:
        raise ImportError("missing")

    with pytest.raises(ImportError, match="missing"):
        with_interrupts(wrong)


@pytest.mark.slow
def test_a_command_interrupted_while_it_starts_says_one_line() -> None:
    for tenths in range(2, 30, 3):
        process = subprocess.Popen(
            [sys.executable, "-c", "from stepscape import main; print(flush=True); main()", "list", "optimizers"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(tenths / 20)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said, said
        # or it had ended by then; or a library's native code, interrupted while it is loaded, gave up without a word
        assert process.returncode in (0, 130, -signal.SIGINT, -signal.SIGABRT), process.returncode

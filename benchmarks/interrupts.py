"""Ctrl-C at any moment of a command, from its first line on: one line and exit code 130, whatever broke on it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["leave_interrupted", "with_interrupts"]


def with_interrupts(command: Callable[[], None]) -> None:
    """Call ``command``, the whole program; leave with 130 where it ended in an error after Ctrl-C was pressed.

    A compiled module whose import is interrupted says something else, as ``ImportError``. What is interrupted after the
    end, while Python shuts down, ends at once. Where Ctrl-C is ignored, as in the background, it stays so.
    """
    pressed: list[int] = []

    def press(number: int, _: FrameType | None) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        command()
        return
    signal.signal(signal.SIGINT, press)
    try:
        command()
    except SystemExit as left:
        if pressed and left.code not in (0, None):
            sys.exit(130)  # it was said already
        raise
    except BaseException as error:
        if not pressed and not isinstance(error, KeyboardInterrupt):
            raise
        leave_interrupted()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def leave_interrupted() -> None:
    """Say in one line that the command was interrupted, and leave."""
    sys.stderr.write("stepscape: interrupted; what is finished is kept, the same command goes on from there\n")
    sys.exit(130)

"""What may not be shown: passwords and tokens in addresses of storages and tracking servers, taken out of any text.

Every message, log line, warning, traceback, tag and JSON or TOML file of a record passes through `redacted`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
import warnings
from functools import cache
from types import TracebackType
from typing import Any, Final

__all__ = ["guard_output", "redacted"]

STARS: Final = "***"
NAMES: Final = r"[\w.%-]*(?:pass|pwd|secret|token|key|credential|signature|auth)[\w.%-]*"
PLAIN: Final = r"(?:password|passwd|pwd|secret|token|api_?key)"
PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), kept)
    for pattern, kept in (
        (r"(:/+[^:/?#@\s]*):\S*@", r"\1:***@"),  # scheme://user:password@, one slash where it was taken for a path
        (r"(https?:/+)[^:/?#@\s]+@", r"\1***@"),  # a token in the place of the user
        (r"(?<![\w/:.%+-])([\w.%+-]+):(?!//)[^\s/@]+@(?=[\w\[])", r"\1:***@"),  # the scheme forgotten
        (rf"([?&;](?!viewStateShareKey=){NAMES}=)[^&;\s'\"]+", r"\1***"),  # a query; MLflow calls a view's name a key
        (rf"({PLAIN}(?:['\"]?(?:=|%3D)['\"]?|['\"]: ?['\"]))(?:(?!%3B)[^&;\s'\"])+", r"\1***"),
        (r"(authorization['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer)\s+)?)[^\s'\"]+", r"\1***"),
        (r"(bearer\s+)[\w.~+/=-]{8,}", r"\1***"),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|dapi|AKIA)[\w-]{16,}", STARS),
    )
)
VARIABLES: Final = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD")


def redacted(text: str) -> str:
    """``text`` with three stars in place of each password and token: of users in addresses, of queries, of headers, and
    those that MLflow and PostgreSQL read from the environment.
    """
    for pattern, kept in PATTERNS:
        text = pattern.sub(kept, text)
    for name in VARIABLES:
        if len(secret := os.environ.get(name, "")) >= 4:  # fewer characters stand in any text
            text = text.replace(secret, STARS)
    return text


@cache
def guard_output() -> None:
    """Redact what this process shows by itself from now on: tracebacks, warnings and log lines."""
    shown, made = warnings.formatwarning, logging.getLogRecordFactory()

    def warning(*arguments: Any, **named: Any) -> str:
        return redacted(shown(*arguments, **named))

    def record(*arguments: Any, **named: Any) -> logging.LogRecord:
        line = made(*arguments, **named)
        line.msg, line.args = redacted(line.getMessage()), ()
        if line.exc_info and line.exc_info[0] is not None:
            line.exc_text = redacted("".join(traceback.format_exception(*line.exc_info)).rstrip())
        return line

    warnings.formatwarning = warning
    logging.setLogRecordFactory(record)
    sys.excepthook = _show_traceback


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))

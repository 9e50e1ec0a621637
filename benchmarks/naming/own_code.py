"""Which functions a suite may have called by naming them: those that make a problem, and nothing else there is.

A suite may come from somebody else, and ``subprocess:getoutput(cmd='…')`` is a well-formed name.
"""

from __future__ import annotations

import inspect
import sys
import sysconfig
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, get_type_hints

from problems import Problem

__all__ = ["OURS", "in_standard_library", "is_the_users_file", "makes_problem"]

OURS: Final = ("analysis", "benchmarks", "optimizers", "problems")
ROOT: Final = Path(__file__).resolve().parents[2]
INSTALLED: Final = ("site-packages", "dist-packages")
STANDARD: Final = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def in_standard_library(module: str) -> bool:
    """Whether the import of ``module`` would give a part of Python itself; nothing is imported to find out."""
    spec: ModuleSpec | None = find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None:
        return False
    return spec.origin in ("built-in", "frozen") or _is_standard(Path(spec.origin))


def makes_problem(function: Any) -> bool:
    """Whether ``function`` may be called for a problem.

    A class is a `Problem`. A function says by its annotation that it returns one; without an annotation that decides,
    it stands in a file of the user's: not in Python's library, in an installed package or in this suite.
    """
    if isinstance(function, type):
        return issubclass(function, Problem)
    if not inspect.isfunction(function):
        return False
    try:
        returned = get_type_hints(function).get("return")
    except Exception:  # names that only a type checker knows
        returned = None
    return issubclass(returned, Problem) if isinstance(returned, type) else _is_the_users(function.__module__)


def _is_the_users(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.partition(".")[0] in OURS:
        return False
    return not _is_standard(Path(file)) and not any(part in INSTALLED for part in Path(file).parts)


@cache
def is_the_users_file(file: str) -> bool:
    """Whether the code in ``file`` is the user's own: none of Python's, of an installed package's or of this suite's.

    What is typed into a notebook or at the prompt is the user's too; what is made while a program runs is nobody's.
    """
    if file.startswith("<"):
        return file.startswith(("<stdin>", "<ipython-input"))
    path = Path(file)
    ours = any(path.resolve().is_relative_to(ROOT / part) for part in OURS)
    return not ours and not _is_standard(path) and not any(part in INSTALLED for part in path.parts)


def _is_standard(file: Path) -> bool:
    """Whether ``file`` is Python's own; installed packages may lie in a folder below, and are not."""
    path = file.resolve()
    return any(path.is_relative_to(folder) for folder in STANDARD) and not any(part in INSTALLED for part in path.parts)

"""Plug-in files: problems and optimizers of the user's own, by the path of a Python file."""

from __future__ import annotations

import runpy
from pathlib import Path

from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.blame import with_line
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, register
from benchmarks.naming.sent_files import file_called
from optimizers import OptimizerSpec
from problems import ProblemSpec

__all__ = ["load_plugin_file"]


def load_plugin_file(path: Path) -> None:
    """Run a Python file of the user's and register every `OptimizerSpec` and `ProblemSpec` among its top-level names.

    Specs that are registered already, as a built-in one it starts from, are passed over. Raises `UsageError` where
    there is no such file or a name is taken, and `StepscapeError` where it fails or defines nothing.
    """
    path = file_called(path)
    if not path.is_file():
        raise UsageError(f"the plug-in file {path} does not exist")
    try:
        namespace = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        raise StepscapeError(f"the plug-in file {path} failed: {with_line(error)}") from error
    specs = [value for value in namespace.values() if isinstance(value, OptimizerSpec | ProblemSpec)]
    if not specs:
        raise StepscapeError(f"the plug-in file {path} defines no OptimizerSpec and no ProblemSpec at its top level")
    known = [*OPTIMIZERS.loaded, *PROBLEMS.loaded]
    for spec in specs:
        if not any(spec is other for other in known):
            register(spec)

"""The harness: registries, the lanes engine, Optuna studies, landscapes, the record, MLflow and the command line.

Names are loaded on first use, so that the command line does not start torch to print its help.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.engine.inputs import Configurations, Training
    from benchmarks.engine.training import train
    from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, make_optimizer, make_problem
    from benchmarks.running.run_suite import run
    from benchmarks.suite.suite import Suite

__all__ = [
    "OPTIMIZERS",
    "PROBLEMS",
    "Configurations",
    "Suite",
    "Training",
    "make_optimizer",
    "make_problem",
    "run",
    "train",
]

_HOME = {
    "Configurations": "engine.inputs",
    "Training": "engine.inputs",
    "train": "engine.training",
    "OPTIMIZERS": "naming.registry",
    "PROBLEMS": "naming.registry",
    "make_optimizer": "naming.registry",
    "make_problem": "naming.registry",
    "run": "running.run_suite",
    "Suite": "suite.suite",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'benchmarks' has no attribute {name!r}")
    return getattr(import_module(f"benchmarks.{_HOME[name]}"), name)

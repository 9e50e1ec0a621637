"""The harness: registries, the lanes engine, Optuna studies, landscapes, the record, MLflow and the command line.

A problem, an optimizer, and as many configurations of it as you like, trained as one tensor program:

    >>> import torch
    >>> from benchmarks import Training, train
    >>> training = Training("ellipse", "rmsprop", seeds=[1], steps=20)
    >>> training
    <Training of rmsprop on ellipse: 20 steps, 1 seed>
    >>> trace = train(training, {"lr": torch.logspace(-3, 0, 100), "gamma": 0.9})
    >>> trace.final_loss.shape
    torch.Size([100, 1])

What there is, by name, with parameters in brackets:

    >>> from benchmarks import OPTIMIZERS, PROBLEMS, make_problem
    >>> "adam" in OPTIMIZERS, "airfoil" in PROBLEMS
    (True, True)
    >>> make_problem("quadratic(dim=10, condition=100)").dim
    10

A whole suite, tuned, tested on fresh seeds, mapped and recorded, and its report:

    >>> from benchmarks import Suite, run
    >>> suite = Suite(name="mine", problems=["ellipse"], optimizers=["sgd", "rmsprop"])
    >>> suite
    <Suite 'mine': 2 cells (1 problem × 2 optimizers × 1 schedule)>
    >>> run(suite, "results/mine")               # doctest: +SKIP
    >>> from analysis import write_report
    >>> write_report("results/mine")             # doctest: +SKIP

The same from a terminal: ``stepscape list problems``, ``stepscape show airfoil``, ``stepscape run quick``. Names are
loaded on first use, so that the command line does not start torch to print its help.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.shadowing import check_packages

if TYPE_CHECKING:
    from benchmarks.engine.inputs import Configurations, Training
    from benchmarks.engine.training import train
    from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, make_optimizer, make_problem
    from benchmarks.record.merge import merge
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
    "merge",
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
    "merge": "record.merge",
    "run": "running.run_suite",
    "Suite": "suite.suite",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'benchmarks' has no attribute {name!r}")
    return getattr(import_module(f"benchmarks.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if sys.argv[:1] != ["-m"]:  # as a command it looks itself, and says it in a line
    check_packages()

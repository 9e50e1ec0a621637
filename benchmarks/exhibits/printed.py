"""The numbers printed in the optimization chapter of Dive into Deep Learning (d2l 1.0.3), and the runs they belong to.

Facts, each with its section. Where the book's code draws random numbers, a printed value is one draw; ``low`` and
``high`` are then the lowest and the highest value that any stored edition of the notebooks (PyTorch, English and
Chinese) prints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EXACT", "NEWTON", "NOISY", "REGRESSION", "BookRun", "Printed"]


@dataclass(frozen=True)
class Printed:
    """One printed number: of which quantity, the value with its decimals, whose printout, and all editions' range."""

    quantity: str
    value: float
    digits: int = 6
    edition: str = "all"
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class BookRun:
    """One run of the book: what is trained by what, with which hyperparameters, for how long, and what is printed.

    ``schedule`` is one of ours; ``single`` asks for single precision; ``library`` for a regression trained by a
    library's layers and losses; ``batch`` is None where there is no data; ``reason`` is why ours is known to differ.
    """

    name: str
    section: str
    title: str
    optimizer: str
    problem: str
    values: Mapping[str, float]
    steps: int
    printed: tuple[Printed, ...]
    schedule: str = "constant"
    single: bool = False
    library: bool = False
    batch: int | None = None
    notes: tuple[str, ...] = ()
    reason: str = "not explained"

    @property
    def setting(self) -> str:
        """Hyperparameters, batch and budget, in words."""
        parts = [f"{name} {value:g}" for name, value in self.values.items()]
        parts += [f"batch {self.batch}"] if self.batch else []
        return ", ".join([*parts, f"{self.steps} steps", *self.notes])


def point(x1: float, x2: float, edition: str = "all") -> tuple[Printed, ...]:
    """Both coordinates of an end point, printed with six decimals."""
    return Printed("x1", x1, edition=edition), Printed("x2", x2, edition=edition)


def loss(low: float, high: float, newest: float, *older: float) -> tuple[Printed, ...]:
    """A final loss, printed with three decimals."""
    first = Printed("loss", newest, 3, "newest", low, high)
    return first, *(Printed("loss", value, 3, "older", low, high) for value in older)


DESCENT = "gradient descent"

EXACT: tuple[BookRun, ...] = (
    BookRun("gd 0.2", "12.3", f"{DESCENT} on x²", "sgd", "square", {"lr": 0.2}, 10, (Printed("x", 0.060466),)),
    BookRun("gd 0.05", "12.3", f"{DESCENT} on x², slow", "sgd", "square", {"lr": 0.05}, 10, (Printed("x", 3.486784),)),
    BookRun("gd 1.1", "12.3", f"{DESCENT} on x², diverging", "sgd", "square", {"lr": 1.1}, 10,
            (Printed("x", 61.917364),)),
    BookRun("gd wave", "12.3", f"{DESCENT} on x cos(0.15πx)", "sgd", "wave", {"lr": 2.0}, 10,
            (Printed("x", -1.528166),)),
    BookRun("gd wave single", "12.3", f"{DESCENT} on x cos(0.15πx)", "sgd", "wave", {"lr": 2.0}, 10,
            (Printed("x", -1.528165, edition="MXNet and TensorFlow"),), single=True, notes=("single precision",),
            reason="in single precision the last digit depends on the order of the operations"),
    BookRun("gd bowl", "12.3", f"{DESCENT} on x1² + 2 x2²", "sgd", "bowl", {"lr": 0.1}, 20,
            point(-0.057646, -0.000073)),
    BookRun("gd ellipse 0.4", "12.6", f"{DESCENT} on the ellipse", "sgd", "ellipse", {"lr": 0.4}, 20,
            point(-0.943467, -0.000073)),
    BookRun("gd ellipse 0.6", "12.6", f"{DESCENT} on the ellipse, diverging", "sgd", "ellipse", {"lr": 0.6}, 20,
            point(-0.387814, -1673.365109)),
    BookRun("momentum 0.5", "12.6", "momentum on the ellipse", "momentum", "ellipse", {"lr": 0.6, "momentum": 0.5}, 20,
            point(0.007188, 0.002553)),
    BookRun("momentum 0.25", "12.6", "momentum on the ellipse, less of it", "momentum", "ellipse",
            {"lr": 0.6, "momentum": 0.25}, 20, point(-0.126340, -0.186632)),
    BookRun("adagrad 0.4", "12.7", "Adagrad on the ellipse", "adagrad", "ellipse", {"lr": 0.4}, 20,
            point(-2.382563, -0.158591)),
    BookRun("adagrad 2", "12.7", "Adagrad on the ellipse, larger steps", "adagrad", "ellipse", {"lr": 2.0}, 20,
            point(-0.002295, -0.000000)),
    BookRun("rmsprop 0.4", "12.8", "RMSProp on the ellipse", "rmsprop", "ellipse", {"lr": 0.4, "gamma": 0.9}, 20,
            point(-0.010599, 0.000000)),
)  # fmt: skip
"""Runs without randomness: every digit can be asked for."""

NEWTON: tuple[BookRun, ...] = (
    BookRun("newton cosh", "12.3", "Newton's method on cosh(x/2)", "newton", "cosh", {"lr": 1.0}, 10,
            (Printed("x", 0.0, 1),)),
    BookRun("newton wave", "12.3", "Newton's method on x cos(0.15πx)", "newton", "wave", {"lr": 1.0}, 10,
            (Printed("x", 26.8341, 4),)),
    BookRun("newton wave 0.5", "12.3", "Newton's method on x cos(0.15πx), damped", "newton", "wave", {"lr": 0.5}, 10,
            (Printed("x", 7.2699, 4),)),
)  # fmt: skip
"""Newton's method divides by the second derivative: no rule of first order, so it is computed beside the engine."""

NOISY: tuple[BookRun, ...] = (
    BookRun("noisy constant", "12.4", "noisy descent, constant lr", "sgd", "bowl-noisy", {"lr": 0.1}, 50,
            point(0.225517, -0.076646, "newest")),
    BookRun("noisy exponential", "12.4", "noisy descent, lr falls exponentially", "sgd", "bowl-noisy",
            {"lr": 0.1 * math.exp(-0.2)}, 1000, point(-0.758829, -0.115584, "newest"),
            f"exponential(final={math.exp(-100)!r})", notes=("lr × exp(-0.1) each step",)),
    BookRun("noisy polynomial", "12.4", "noisy descent, lr falls as 1/√t", "sgd", "bowl-noisy",
            {"lr": 0.1 / math.sqrt(1.2)}, 50, point(0.144834, 0.041688, "newest"),
            f"inverse-sqrt(rate={0.1 / 1.2!r})", notes=("lr / √(1 + 0.1 t), t from 2",)),
)  # fmt: skip
"""Descent under Gaussian gradient noise. The book's counter of steps is at 2 when its schedule is first asked."""


def regression(
    name: str,
    section: str,
    title: str,
    optimizer: str,
    values: Mapping[str, float],
    printed: tuple[Printed, ...],
    *,
    batch: int = 10,
    steps: int = 300,
    library: bool = False,
) -> BookRun:
    """A run of the book on the airfoil data; a library's trains for four epochs."""
    notes = ("by a library: error without ½, bias drawn",) if library else ()
    return BookRun(
        name,
        section,
        title,
        optimizer,
        "airfoil",
        values,
        600 if library else steps,
        printed,
        library=library,
        batch=batch,
        notes=notes,
    )


RMSPROP = {"lr": 0.01, "gamma": 0.9}
REGRESSION: tuple[BookRun, ...] = (
    regression("airfoil gd", "12.5", "full-batch descent", "sgd", {"lr": 1.0}, loss(0.242, 0.264, 0.247),
               batch=1500, steps=10),
    regression("airfoil sgd 1", "12.5", "SGD, one row at a time", "sgd", {"lr": 0.005}, loss(0.242, 0.251, 0.245),
               batch=1, steps=3000),
    regression("airfoil sgd 100", "12.5", "minibatch SGD", "sgd", {"lr": 0.4}, loss(0.242, 0.250, 0.246),
               batch=100, steps=30),
    regression("airfoil sgd 10", "12.5", "minibatch SGD", "sgd", {"lr": 0.05}, loss(0.242, 0.255, 0.246)),
    regression("airfoil sgd library", "12.5", "SGD, concise", "sgd", {"lr": 0.01}, loss(0.242, 0.244, 0.243),
               library=True),
    regression("airfoil momentum 0.5", "12.6", "momentum", "momentum", {"lr": 0.02, "momentum": 0.5},
               loss(0.242, 0.250, 0.245)),
    regression("airfoil momentum 0.9", "12.6", "momentum", "momentum", {"lr": 0.01, "momentum": 0.9},
               loss(0.243, 0.261, 0.248)),
    regression("airfoil momentum 0.9 slow", "12.6", "momentum", "momentum", {"lr": 0.005, "momentum": 0.9},
               loss(0.242, 0.251, 0.243)),
    regression("airfoil momentum library", "12.6", "momentum, concise", "momentum", {"lr": 0.005, "momentum": 0.9},
               loss(0.242, 0.254, 0.250), library=True),
    regression("airfoil adagrad", "12.7", "Adagrad", "adagrad", {"lr": 0.1}, loss(0.242, 0.246, 0.243)),
    regression("airfoil adagrad library", "12.7", "Adagrad, concise", "adagrad-torch", {"lr": 0.1},
               loss(0.242, 0.244, 0.242), library=True),
    regression("airfoil rmsprop", "12.8", "RMSProp", "rmsprop", RMSPROP, loss(0.242, 0.249, 0.245, 0.246)),
    regression("airfoil rmsprop library", "12.8", "RMSProp, concise", "rmsprop-torch", RMSPROP,
               loss(0.242, 0.250, 0.246, 0.243), library=True),
    regression("airfoil adadelta", "12.9", "Adadelta", "adadelta", {"gamma": 0.9, "eps": 1e-5},
               loss(0.242, 0.248, 0.245)),
    regression("airfoil adadelta library", "12.9", "Adadelta, concise", "adadelta", {"gamma": 0.9},
               loss(0.242, 0.244, 0.243), library=True),
    regression("airfoil adam", "12.10", "Adam", "adam", {"lr": 0.01, "eps": 1e-6}, loss(0.242, 0.251, 0.243)),
    regression("airfoil adam library", "12.10", "Adam, concise", "adam", {"lr": 0.01}, loss(0.242, 0.254, 0.243),
               library=True),
    regression("airfoil yogi", "12.10", "Yogi", "yogi", {"lr": 0.01}, loss(0.242, 0.249, 0.243)),
)  # fmt: skip
"""Linear regression on the airfoil data: each printed loss is one draw of start and order of rows."""

"""The unit tests of optimizers as data: which functions, under which noises, scales and changes, and which stressors.

The first 75 functions, their noises, scales and changes are those of Schaul, Antonoglou and Silver (2014), read in
their code (experiments/function_definitions.lua and plotResults.lua of optimBench); the stressors are ours. What is
read otherwise than their program reads it is listed in docs/questions/unit-tests.md.

A function, noise or scale of several variables is written ``abs+9*quad_bowl``: one after another, with counts; a single
name stands for all variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import product
from typing import Final

from problems.unit_pieces import PIECES

__all__ = [
    "CHANGES",
    "GROUPS",
    "NOISES",
    "SCALES",
    "STRESSES",
    "Noise",
    "Stress",
    "Unit",
    "named_units",
    "stressed_units",
    "units_of_the_paper",
]


@dataclass(frozen=True)
class Noise:
    """What befalls value and slope of one variable at every step; each number is the scale of its own kind."""

    additive: float = 0.0
    """Gaussian: the slope gets n, the value n x."""
    cauchy: float = 0.0
    """The same with a Cauchy number."""
    multiplicative: float = 0.0
    """Both are multiplied by exp(n)."""
    masked: float = 0.0
    """The probability that both are 0."""


NOISES: Final[Mapping[str, Noise]] = {
    "noiseless": Noise(),
    "gauss_add_low": Noise(additive=0.01),
    "gauss_add_normal": Noise(additive=0.1),
    "gauss_add_high": Noise(additive=10.0),
    "gauss_mul_low": Noise(multiplicative=0.1),
    "gauss_mul_normal": Noise(multiplicative=1.0),
    "gauss_mul_high": Noise(multiplicative=10.0),
    "maskout_low": Noise(masked=0.1),
    "maskout_high": Noise(masked=0.9),
    "cauchy_add_normal": Noise(cauchy=1.0),
}
SCALES: Final[Mapping[str, tuple[float, float]]] = {
    "normal": (200.0, -1.0),
    "steep": (200.0, -10.0),
    "saddle": (200.0, 1.0),
    "flat": (2.0, -0.1),
}
"""Value and slope at the start."""

CHANGES: Final = ("none", "scale", "noise", "offset")
"""What is drawn anew every ten steps: the slopes' scale, the noise's scale, or a further shift of the function."""


@dataclass(frozen=True)
class Stress:
    """What is done to the function or to the gradients besides."""

    drift: float = 0.0
    """The function moves to the right by this much a step."""
    delay: int = 0
    """The optimizer sees the gradient of so many steps ago; that is not the function's, but put around the rule."""
    rounded: float = 0.0
    """Slopes are rounded to multiples of this."""
    signs: bool = False
    """Of slopes only the signs are seen."""
    seen: float = 1.0
    """The probability that an entry of the gradient is seen; else it is 0."""
    coupling: float = 0.0
    """Variables are paired, one descends and one ascends, on their bowls plus coupling times the product of the two."""
    stretch: float = 1.0
    """The variables' units differ: by this factor from the first to the last, even on a log scale, about 1."""


STRESSES: Final[Mapping[str, Stress]] = {
    "none": Stress(),
    "drift-slow": Stress(drift=0.003),
    "drift-fast": Stress(drift=0.01),
    "delay-1": Stress(delay=1),
    "delay-3": Stress(delay=3),
    "delay-10": Stress(delay=10),
    "rounded": Stress(rounded=0.5),
    "signs": Stress(signs=True),
    "sparse-10": Stress(seen=0.1),
    "sparse-1": Stress(seen=0.01),
    "minimax-weak": Stress(coupling=1.0),
    "minimax-strong": Stress(coupling=10.0),
    "layers-10": Stress(stretch=10.0),
    "layers-100": Stress(stretch=100.0),
}

GROUPS: Final = (
    "1-D noiseless",
    "1-D differentiable",
    "1-D with kinks",
    "1-D heavy noise",
    "1-D changing scale",
    "1-D changing noise",
    "1-D changing offset",
    "1-D noise and change",
    "2-D separable",
    "2-D rotated",
    "2-D curled",
    "10-D separable",
    "10-D rotated",
    "10-D curled",
    "drift",
    "delay",
    "quantised",
    "sparse",
    "minimax",
    "layers",
)
"""The groups of tests that are counted together: the authors' thirteen, of which a test may be in two; in between, as
"noise and change", what is in none of theirs; then ours."""
KINKED: Final = frozenset({"bend", "relu", "abs", "cliff", "ridge", "laplace_bowl"})
STRESS_GROUPS: Final = {"rounded": "quantised", "signs": "quantised"}


@dataclass(frozen=True)
class Unit:
    """One unit test. Raises ``ValueError`` for what it cannot be, with what there is."""

    function: str = "quad_bowl"
    """Pieces joined by ``-``, for each variable."""
    noise: str = "noiseless"
    scale: str = "normal"
    rotated: bool = False
    curled: bool = False
    """A quarter turn of every pair of variables is added to the gradient, which is then that of no function."""
    change: str = "none"
    stress: str = "none"
    functions: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)
    """The pieces of every variable."""

    def __post_init__(self) -> None:
        functions = tuple(tuple(each.split("-")) for each in spelt_out(self.function))
        object.__setattr__(self, "functions", functions)
        given = {
            "piece": ({piece for pieces in functions for piece in pieces}, PIECES),
            "noise": ({*spelt_out(self.noise)}, NOISES),
            "scale": ({*spelt_out(self.scale)}, SCALES),
            "change": ({self.change}, CHANGES),
            "stress": ({self.stress}, STRESSES),
        }
        for what, (names, known) in given.items():
            if strange := sorted(names - set(known)):
                raise ValueError(f"a unit test has no {what} {strange[0]!r}; there are {', '.join(known)}")
        for what, text in (("noise", self.noise), ("scale", self.scale)):
            if len(spelt_out(text)) not in (1, self.dim):
                raise ValueError(f"the {what} {text!r} is not of {self.dim} variables, as {self.function!r} is")
        if self.dim % 2 and (self.curled or STRESSES[self.stress].coupling):
            raise ValueError(f"curl and minimax pair the variables, and {self.function!r} has {self.dim}")
        if self.rotated and self.dim == 1:
            raise ValueError(f"{self.function!r} has one variable, and cannot be rotated")

    @property
    def dim(self) -> int:
        """The number of variables."""
        return len(self.functions)

    @property
    def noises(self) -> list[Noise]:
        """The noise of every variable."""
        return [NOISES[name] for name in self._of_each(self.noise)]

    @property
    def scales(self) -> list[tuple[float, float]]:
        """Value and slope at the start of every variable's function."""
        return [SCALES[name] for name in self._of_each(self.scale)]

    @property
    def random(self) -> bool:
        """Whether repetitions differ."""
        return self.noise != "noiseless" or self.change != "none" or STRESSES[self.stress].seen < 1

    @cached_property
    def name(self) -> str:
        """The test as a problem is written: ``unit(function='abs', scale='steep')``."""
        defaults = {each.name: each.default for each in fields(Unit) if each.init}
        given = {name: getattr(self, name) for name in defaults}
        said = [f"{name}={value!r}" for name, value in given.items() if name == "function" or value != defaults[name]]
        return f"unit({', '.join(said)})"

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups that count it, of `GROUPS`, one at least."""
        if self.stress != "none":
            kind = STRESS_GROUPS.get(self.stress, self.stress.partition("-")[0])
            return (kind,)
        if self.dim == 1:
            return tuple(self._groups_of_one())
        dim = f"{self.dim}-D"
        return (f"{dim} rotated" if self.rotated else f"{dim} separable", *([f"{dim} curled"] if self.curled else []))

    def _groups_of_one(self) -> Iterator[str]:
        quiet, loud = self.noise == "noiseless", "high" in self.noise
        if self.change == "none":
            if quiet:
                yield "1-D noiseless"
            yield "1-D with kinks" if KINKED & {*self.functions[0]} else "1-D differentiable"
            if loud:
                yield "1-D heavy noise"
        elif (self.change == "noise" and not loud) or quiet:
            yield f"1-D changing {self.change}"
        else:
            yield "1-D noise and change"

    def _of_each(self, text: str) -> Sequence[str]:
        names = spelt_out(text)
        return names * self.dim if len(names) == 1 else names


def spelt_out(text: str) -> list[str]:
    """``"abs+2*line"`` as ``["abs", "line", "line"]``; raises ``ValueError`` for another form."""
    names: list[str] = []
    for part in text.split("+"):
        count, times, name = part.strip().rpartition("*")
        if (times and not count.isdecimal()) or not name or count == "0":
            raise ValueError(f"{text!r} is written as in 'abs+9*quad_bowl'")
        names += [name] * int(count or 1)
    return names


ALL_NOISES: Final = ("line", "quad_bowl", "abs", "bend", "relu", "gauss_bowl", "cliff", "ridge")
"""The functions of one variable that are tried under every noise; the others without and under additive noise."""
ADDITIVE: Final = ("noiseless", "gauss_add_low", "gauss_add_normal", "gauss_add_high")
CHAINS: Final = (
    "quad_convex-line",
    "gauss_nonconvex-line",
    "gauss_convex-line",
    "laplace_nonconvex-line",
    "laplace_convex-line",
    "exponential",
    "quad_convex-exponential",
    "gauss_nonconvex-exponential",
    "gauss_convex-exponential",
    "laplace_nonconvex-exponential",
    "laplace_convex-exponential",
    "line-exponential",
    "quad_convex-relu",
    "gauss_nonconvex-relu",
    "gauss_convex-relu",
    "laplace_convex-relu",
    "gauss_nonconvex-gauss_convex-gauss_bowl-gauss_convex-gauss_nonconvex",
    "laplace_nonconvex-laplace_convex-laplace_bowl-laplace_convex-laplace_nonconvex",
    "line-quad_bowl-line",
    "quad_convex-abs-quad_convex",
    "quad_convex-cliff-quad_convex",
    "quad_convex-cliff-gauss_nonconvex",
    "quad_convex-quad_bowl-gauss_nonconvex",
    "quad_convex-abs-gauss_nonconvex",
    "cliff-exponential",
    "cliff-quad_bowl",
    "quad_convex-cliff-quad_bowl",
    "quad_bowl-cliff-exponential",
    "relu-bend-line",
    "quad_convex-relu-bend-line",
    "gauss_nonconvex-relu-line",
    "relu-bend-quad_bowl",
    "quad_convex-relu-bend-quad_bowl",
    "gauss_nonconvex-relu-bend-quad_bowl",
    "relu-bend-exponential",
    "quad_convex-relu-bend-exponential",
    "gauss_nonconvex-relu-bend-exponential",
)
UNEQUAL: Final = ("noiseless", "gauss_add_normal", "gauss_add_low+gauss_add_high", "gauss_add_high+gauss_add_low")
"""The noises of two variables."""
HILLS: Final = "laplace_convex-laplace_nonconvex-quad_convex"


@dataclass(frozen=True)
class Several:
    """A function of several variables with its scales; ``turns`` and ``curls`` where it is tried with them too."""

    function: str
    scales: Sequence[str] = ("normal",)
    turns: bool = False
    curls: bool = False
    noises: Sequence[str] = ()


def _first(scale: str, others: int) -> str:
    return f"{scale}+{others}*normal"


TWO: Final = (
    Several("2*quad_bowl", tuple(SCALES), turns=True),
    Several("abs+quad_bowl", ("normal", "steep+normal", "normal+steep"), turns=True, curls=True),
    Several("quad_bowl+line", ("normal", "steep+normal")),
    Several("2*line"),
    Several("relu+line"),
    Several("exponential+line", ("normal", "steep+normal")),
    Several("abs+line", ("normal", "steep+normal")),
    Several("2*abs", turns=True, curls=True),
    Several("cliff+abs", ("normal", "steep+normal")),
    Several("cliff+line", turns=True, curls=True),
    Several("cliff+quad_bowl", turns=True, curls=True),
    Several("exponential+quad_bowl"),
    Several("gauss_nonconvex+abs", ("saddle+normal",)),
    Several("gauss_nonconvex+quad_bowl", ("saddle+normal",)),
    Several(f"2*{HILLS}", ("normal", "saddle+normal")),
)
TEN: Final = (
    Several(
        "10*quad_bowl", tuple(SCALES), noises=tuple(name for name in NOISES if name.startswith(("noise", "gauss")))
    ),
    Several(f"10*{HILLS}", ("normal", _first("saddle", 9))),
    Several("abs+9*quad_bowl", ("normal", "normal+9*saddle", "normal+9*steep")),
    Several("quad_bowl+9*line", ("normal", _first("steep", 9))),
    Several("10*line"),
    Several("relu+9*line"),
    Several("exponential+9*line", ("normal", _first("steep", 9))),
    Several("abs+9*line", ("normal", _first("steep", 9))),
    Several("10*abs", turns=True, curls=True),
    Several("cliff+9*abs", ("normal", _first("steep", 9))),
    Several("cliff+9*line", turns=True, curls=True),
    Several("cliff+9*quad_bowl", turns=True),
    Several("exponential+9*quad_bowl"),
    Several("gauss_nonconvex+9*abs", (_first("saddle", 9),)),
    Several("gauss_nonconvex+9*quad_bowl", (_first("saddle", 9),)),
)


def named_units() -> list[Unit]:
    """Every variant that the paper's 75 definitions name, in their order."""
    found = [
        Unit(function, noise, scale, change=change)
        for function in (*ALL_NOISES, *CHAINS)
        for noise in (NOISES if function in ALL_NOISES else ADDITIVE)
        for scale, change in product(SCALES, CHANGES)
    ]
    for of, noises in ((TWO, UNEQUAL), (TEN, ADDITIVE)):
        for each in of:
            ways = product(each.noises or noises, each.scales, _off_and(each.turns), _off_and(each.curls))
            found += [Unit(each.function, *way) for way in ways]
    return found


def units_of_the_paper() -> list[Unit]:
    """The paper's variants that differ: a noise that is not there, or is a probability, has no scale that changes."""
    scaled = {name for name, noise in NOISES.items() if noise != Noise() and not noise.masked}
    return [unit for unit in named_units() if unit.change != "noise" or unit.noise in scaled]


def stressed_units() -> list[Unit]:
    """Our own: each stress on the functions where it can be told, without and with additive noise."""
    plain = ("line", "quad_bowl", "abs", "cliff", "quad_convex-line", "line-quad_bowl-line")
    tried: Mapping[str, Sequence[str]] = {
        "drift": ("quad_bowl", "abs", "cliff", "gauss_bowl"),
        "delay": plain,
        "rounded": plain,
        "signs": plain,
        "sparse": ("10*quad_bowl", "10*abs", "abs+9*quad_bowl"),
        "minimax": ("2*quad_bowl", "10*quad_bowl"),
        "layers": ("10*quad_bowl", "10*abs", "10*gauss_bowl"),
    }
    return [
        Unit(function, noise, stress=stress)
        for stress in STRESSES
        for function in tried.get(stress.partition("-")[0], ())
        for noise in ("noiseless", "gauss_add_normal")
    ]


def _off_and(on: bool) -> Sequence[bool]:
    return (False, True) if on else (False,)

"""The settings of a suite as validated types: tuning, test, landscape, and what changes them for some cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic._internal._model_construction import ModelMetaclass  # as SQLModel does: there is no public name
from pydantic_core import core_schema

from benchmarks.errors import SuiteError
from benchmarks.suite.judging import Aggregate, Objective, Pruner, PrunerKind
from benchmarks.suite.sentences import sentences

__all__ = [
    "FIRST_LANDSCAPE_SEED",
    "FIRST_TEST_SEED",
    "FIRST_TUNING_SEED",
    "SAMPLERS",
    "CellOverrides",
    "Count",
    "Dtype",
    "Grid",
    "Group",
    "Landscape",
    "Overrides",
    "Sampler",
    "Searching",
    "Spacing",
    "Strict",
    "Test",
    "Trials",
    "Tuning",
    "parse_grid",
]

Sampler = Literal["tpe", "random", "qmc", "cmaes", "gp", "grid"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)
Spacing = Literal["linear", "log"]
Dtype = Literal["float32", "float64", "bfloat16"]
"""The precision of runs. In bfloat16 the loss is computed as `torch.autocast` does, of parameters in float32."""

Count = Annotated[int, Field(gt=0, le=1_000_000_000, strict=True)]  # more is a slip

Trials = Annotated[Count, Field(le=1_000_000)]  # of one study; Optuna takes hours for as many

LARGEST_GRID = 10_000_000
MOST_SEEDS = 1000  # a count: more would run into the seeds of the next purpose
FIRST_TUNING_SEED, FIRST_TEST_SEED, FIRST_LANDSCAPE_SEED = 1, 1001, 2001
BETWEEN_STUDIES = 10_000  # from the tuning seeds of one study to those of the next


def _seeds(first: int) -> Any:
    """A list of seeds; a count n means the n seeds from ``first`` on."""

    def listed(value: Any) -> Any:
        if isinstance(value, int) and value > MOST_SEEDS:
            raise ValueError(
                f"a count of seeds is at most {MOST_SEEDS}, or they would be those of other purposes; list them"
            )
        return list(range(first, first + value)) if isinstance(value, int) and not isinstance(value, bool) else value

    def distinct(value: list[int]) -> list[int]:
        if len(set(value)) != len(value):
            raise ValueError("the same seed stands twice")
        return value

    seed = Annotated[int, Field(ge=0, le=2**62)]  # tables hold 64 bits
    return Annotated[list[seed], BeforeValidator(listed), Field(min_length=1), AfterValidator(distinct)]


def _listed(value: Any) -> Any:
    """A single name as a list of one."""
    return [value] if isinstance(value, str) else value


def _written_as(pattern: str) -> GetPydanticSchema:
    """Read a value by its class's ``parse`` from a text that follows ``pattern``; it is written back as its ``str``."""

    def schema(kind: Any, _: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, read: value if isinstance(value, kind) else read(value),
            core_schema.no_info_after_validator_function(kind.parse, core_schema.str_schema(pattern=pattern)),
            serialization=core_schema.to_string_ser_schema(),
        )

    return GetPydanticSchema(schema)


def parse_grid(value: Any) -> Any:
    """``"64x32"`` or ``[64, 32]`` as (64, 32); raises ``ValueError`` for anything else or a size out of range."""
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", value.strip())
        if not match:
            raise ValueError(f"a grid is written COLUMNSxROWS, as 64x32, got {value!r}")
        value = [int(match[1]), int(match[2])]
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(n, int) for n in value):
        columns, rows = value
        if min(columns, rows) < 2:
            raise ValueError(f"a grid needs at least 2 points on each side, got {columns}x{rows}")
        if columns * rows > LARGEST_GRID:
            raise ValueError(f"a grid has at most {LARGEST_GRID} points, {columns}x{rows} are more")
    return value


Grid = Annotated[tuple[int, int], BeforeValidator(parse_grid)]


class _InSentences(ModelMetaclass):
    """Calling a class of settings says in sentences what is wrong, as reading a suite file does."""

    if not TYPE_CHECKING:  # what a call takes and gives is for the type checker what it is of every model

        def __call__(self, *args: Any, **settings: Any) -> Any:
            try:
                return super().__call__(*args, **settings)
            except ValidationError as error:
                raise SuiteError(f"{self.__name__}: {sentences(self, error)}") from None


class Strict(BaseModel, metaclass=_InSentences):
    """Unknown keys and silent conversions are refused; what is wrong is said in sentences (`SuiteError`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, str_strip_whitespace=True)


class Tuning(Strict):
    """How the best configuration is searched: independent Optuna studies, each asked a block at a time.

    ``studies`` are made of every cell, each with a sampler seed and tuning seeds of its own: what one study finds is
    luck in good part. ``seeds`` are those of the first study (see `seeds_of`), ``trials`` the number of each, the
    defaults, which every study begins with, aside. ``aggregate`` joins the seeds of a trial: mean, median, or a
    quantile as q0.9. ``objective`` is the training loss or what is made of it, or the loss on held-out data, which
    pruning then looks at too. ``pruner`` stops lanes at rungs, each ``reduction`` times later than the one before; with
    two objectives nothing is pruned. ``widen`` allows so many searches again, with a wider range, where the winner is
    at the edge of its range. ``searched`` is how many hyperparameters of every optimizer are searched: its axes, and
    then the others in its own order; by default the axes.
    """

    enabled: bool = True
    studies: Annotated[Count, Field(le=1000)] = 3
    sampler: Sampler = "tpe"
    trials: Trials = 64
    block: Trials = 16
    objective: Annotated[list[Objective], BeforeValidator(_listed), Field(min_length=1, max_length=2)] = [
        Objective.FINAL
    ]
    aggregate: Annotated[Aggregate, _written_as(r"^(mean|median|q0?\.\d+)$")] = Aggregate.parse("mean")
    pruner: Annotated[Pruner, _written_as(r"^(none|halving|hyperband|median|optuna:\w+)$")] = Pruner.parse("hyperband")
    reduction: Annotated[int, Field(ge=2, strict=True)] = 2
    widen: Annotated[int, Field(ge=0, le=5, strict=True)] = 0
    searched: Count | None = None
    seeds: _seeds(FIRST_TUNING_SEED) = 4  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _unpruned_pairs(cls, given: Any) -> Any:
        """Two objectives are not pruned by default; a suite that asks for it is refused."""
        pair = (
            isinstance(given, dict) and isinstance(given.get("objective"), list | tuple) and len(given["objective"]) > 1
        )
        return {"pruner": "none", **given} if pair else given

    @model_validator(mode="after")
    def _possible(self) -> Tuning:
        if len(self.objective) == 2 and self.sampler in ("cmaes", "gp"):
            raise ValueError(f"the sampler {self.sampler} takes one objective; tpe, random, qmc and grid take two")
        if len(self.objective) == 2 and self.pruner.kind is not PrunerKind.NONE:
            raise ValueError("pruning needs a single objective")
        if self.sampler == "grid" and self.pruner.kind is PrunerKind.OPTUNA:
            raise ValueError("a grid is told to Optuna afterwards, so its own pruners see nothing; use halving")
        if self.studies > 1 and max(self.seeds) - min(self.seeds) >= BETWEEN_STUDIES:
            raise ValueError(
                f"the tuning seeds of one study lie within {BETWEEN_STUDIES:,} of each other: "
                f"the next study has those {BETWEEN_STUDIES:,} higher"
            )
        return self

    def seeds_of(self, study: int) -> list[int]:
        """The tuning seeds of study number ``study``, from 0: no two studies share one."""
        return [seed + study * BETWEEN_STUDIES for seed in self.seeds]


class Test(Strict):
    """The fresh seeds on which the winner and the defaults are trained again; only these are reported."""

    seeds: _seeds(FIRST_TEST_SEED) = 10  # type: ignore[valid-type]


class Landscape(Strict):
    """The dense grid: points of lr times points of the second hyperparameter, on a few seeds."""

    enabled: bool = True
    grid: Grid = (32, 24)
    seeds: _seeds(FIRST_LANDSCAPE_SEED) = 2  # type: ignore[valid-type]
    evaluations: Count = 12


Range = Annotated[list[float | str], Field(min_length=2, max_length=3)]


def _number_or_told(value: object, number: ValidatorFunctionWrapHandler) -> float:
    return value if isinstance(value, bool) else float(number(value))


NumberOrTold = Annotated[float, WrapValidator(_number_or_told), PlainSerializer(lambda value: value)]  # as it is


class Group(Strict):
    """Some of a module's parameters, by their names or numbers of axes, and what is different for them.

    Every further key is a hyperparameter with its value: of ``optimizer``, where the group has one of its own. True and
    false are what a class from elsewhere asks its groups, as ``use_muon``.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, NumberOrTold] = Field(init=False)

    parameters: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)] = ["*"]
    dims: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    optimizer: str | None = None

    @model_validator(mode="after")
    def _different(self) -> Group:
        if self.optimizer is None and not self.values:
            raise ValueError("a group of parameters has an optimizer or a hyperparameter of its own, as lr = 0.001")
        return self

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters of the group."""
        return dict(self.__pydantic_extra__)


class Overrides(Strict):
    """What a problem, an optimizer or a single cell changes; ``trials`` and ``grid`` are short for those of
    ``tuning`` and ``landscape``.

    ``search`` gives ranges (and adds a hyperparameter to the search), ``fixed`` holds hyperparameters at a value.
    ``groups`` are parameters of a module that are trained otherwise; those given last count.
    """

    steps: Count | None = None
    evaluations: Count | None = None
    spacing: Spacing | None = None
    dtype: Dtype | None = None
    trials: Trials | None = None
    grid: Grid | None = None
    tuning: Tuning = Tuning()
    test: Test = Test()
    landscape: Landscape = Landscape()
    search: dict[str, Range] = {}
    fixed: dict[str, float] = {}
    groups: list[Group] | None = None


class CellOverrides(Overrides):
    """Overrides of the cells that match: those of the problem, optimizer and schedule that are given."""

    problem: str | None = None
    optimizer: str | None = None
    schedule: str | None = None

    def matches(self, problem: str, optimizer: str, schedule: str) -> bool:
        """Whether the cell of these three names is one that these overrides are for."""
        meant = (self.problem, self.optimizer, self.schedule)
        return all(want in (None, name) for want, name in zip(meant, (problem, optimizer, schedule), strict=True))


class Searching(Strict):
    """The search ranges and fixed values of one cell."""

    search: dict[str, Range] = {}
    fixed: dict[str, float] = {}

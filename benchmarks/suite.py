"""A suite: which problems, optimizers and schedules, with which budgets and seeds. Science lives here, machine settings do not.

A suite is a TOML file, validated as a whole: every mistake is reported, an unknown key with the nearest known one. It
unfolds into `CellPlan`s, one for each problem x optimizer x schedule, each of which says everything that determines a cell.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from benchmarks.errors import SuiteError, UnknownNameError, nearest

__all__ = ["SAMPLERS", "CellPlan", "Landscape", "Overrides", "Searching", "Suite", "Test", "Tuning", "builtin_suites", "parse_grid"]

SAMPLERS = ("tpe", "random", "qmc", "cmaes", "gp", "grid")
Sampler = Literal["tpe", "random", "qmc", "cmaes", "gp", "grid"]
Objective = Literal["final", "best"]

FIRST_TUNING_SEED, FIRST_TEST_SEED, FIRST_LANDSCAPE_SEED = 1, 1001, 2001


def _seeds(first: int) -> Any:
    """A list of seeds; a count n means the n seeds from ``first`` on."""

    def listed(value: Any) -> Any:
        return list(range(first, first + value)) if isinstance(value, int) and not isinstance(value, bool) else value

    def distinct(value: list[int]) -> list[int]:
        if len(set(value)) != len(value):
            raise ValueError("the same seed stands twice")
        return value

    return Annotated[list[Annotated[int, Field(ge=0)]], BeforeValidator(listed), Field(min_length=1), AfterValidator(distinct)]


def parse_grid(value: Any) -> Any:
    """``"64x32"`` or ``[64, 32]`` as (64, 32); raises ``ValueError`` for anything else or a side below 2."""
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", value.strip())
        if not match:
            raise ValueError(f"a grid is written COLUMNSxROWS, as 64x32, got {value!r}")
        value = [int(match[1]), int(match[2])]
    if isinstance(value, list | tuple) and len(value) == 2 and any(isinstance(n, int) and n < 2 for n in value):
        raise ValueError(f"a grid needs at least 2 points on each side, got {value[0]}x{value[1]}")
    return value


Grid = Annotated[tuple[int, int], BeforeValidator(parse_grid)]


class Strict(BaseModel):
    """Unknown keys and silent conversions are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Tuning(Strict):
    """How the best configuration is searched: an Optuna study, asked a block at a time."""

    enabled: bool = True
    sampler: Sampler = "tpe"
    trials: Annotated[int, Field(gt=0, strict=True)] = 64
    block: Annotated[int, Field(gt=0, strict=True)] = 16
    objective: Objective = "final"
    seeds: _seeds(FIRST_TUNING_SEED) = 4  # type: ignore[valid-type]


class Test(Strict):
    """The fresh seeds on which the winner and the defaults are trained again; only these are reported."""

    seeds: _seeds(FIRST_TEST_SEED) = 10  # type: ignore[valid-type]


class Landscape(Strict):
    """The dense grid: points of lr times points of the second hyperparameter, on a few seeds."""

    enabled: bool = True
    grid: Grid = (32, 24)
    seeds: _seeds(FIRST_LANDSCAPE_SEED) = 2  # type: ignore[valid-type]
    evaluations: Annotated[int, Field(gt=0, strict=True)] = 2


class Overrides(Strict):
    """What one problem changes: its budgets."""

    steps: Annotated[int, Field(gt=0, strict=True)] | None = None
    evaluations: Annotated[int, Field(gt=0, strict=True)] | None = None
    trials: Annotated[int, Field(gt=0, strict=True)] | None = None
    grid: Grid | None = None


Range = Annotated[list[float | str], Field(min_length=2, max_length=3)]


class Searching(Strict):
    """What one optimizer changes: search ranges (which also add a hyperparameter to the search) and fixed values."""

    search: dict[str, Range] = {}
    fixed: dict[str, float] = {}


class CellPlan(Strict):
    """Everything that determines a cell's record; equal plans give equal records."""

    suite: str
    position: int
    problem: str
    optimizer: str
    schedule: str
    steps: int | None
    evaluations: int
    tuning: Tuning
    test: Test
    landscape: Landscape
    searching: Searching
    plugins: list[str]

    @property
    def name(self) -> str:
        """The cell's name and folder: readable, and unique where names hold characters a folder cannot."""
        text = "--".join([self.problem, self.optimizer, *([self.schedule] if self.schedule != "constant" else [])])
        clean = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_.")
        return clean if clean == text and len(text) <= 100 else f"{clean[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class Suite(Strict):
    """A whole suite."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    problems: Annotated[list[str], Field(min_length=1)]
    optimizers: Annotated[list[str], Field(min_length=1)]
    schedules: Annotated[list[str], Field(min_length=1)] = ["constant"]
    plugins: list[str] = []
    steps: Annotated[int, Field(gt=0, strict=True)] | None = None
    evaluations: Annotated[int, Field(gt=0, strict=True)] = 20
    tuning: Tuning = Tuning()
    test: Test = Test()
    landscape: Landscape = Landscape()
    problem: dict[str, Overrides] = {}
    optimizer: dict[str, Searching] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Suite:
        for kind in ("problems", "optimizers", "schedules"):
            names = getattr(self, kind)
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind}: {twice[0]!r} stands twice")
        for table, names in (("problem", self.problems), ("optimizer", self.optimizers)):
            for key in getattr(self, table):
                if key not in names:
                    raise ValueError(f"[{table}.{key!r}] is not among the suite's {table}s{nearest(key, names)}")
        seeds = {"tuning": self.tuning.seeds, "test": self.test.seeds}
        shared = sorted(set(seeds["tuning"]) & set(seeds["test"])) if self.tuning.enabled else []
        if shared:
            raise ValueError(f"tuning and test seeds overlap ({shared[0]}): a result must come from seeds nobody chose by")
        return self

    @classmethod
    def load(cls, source: str | Path) -> Suite:
        """The built-in suite of that name, or the TOML file at that path.

        Raises `UnknownNameError` where there is neither and `SuiteError` where the content is wrong.
        """
        text = str(source)
        if text in builtin_suites():
            return cls.parse(builtin_suites()[text], text)
        path = Path(text)
        if not path.is_file():
            if path.suffix == ".toml" or "/" in text:
                raise SuiteError(f"there is no suite file {text}")
            raise UnknownNameError("suite", text, builtin_suites())
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteError(f"{text} cannot be read: {error}") from error
        suite = cls.parse(content, text)
        here = path.resolve().parent
        return suite.model_copy(update={"plugins": [str(here / plugin) for plugin in suite.plugins]})

    @classmethod
    def parse(cls, text: str, origin: str) -> Suite:
        """A suite from TOML text; ``origin`` names it in errors."""
        try:
            return cls.checked(tomllib.loads(text), origin)
        except tomllib.TOMLDecodeError as error:
            raise SuiteError(f"{origin} is not valid TOML: {error}") from error

    @classmethod
    def checked(cls, definition: Mapping[str, Any], origin: str) -> Suite:
        """A suite from its content; raises `SuiteError` with every mistake in it."""
        try:
            return cls.model_validate(definition)
        except ValidationError as error:
            raise SuiteError(f"{origin}: " + "; ".join(_sentence(e) for e in error.errors())) from error

    def cells(self) -> list[CellPlan]:
        """The plan of every cell, problem by problem."""
        combinations = product(self.problems, self.optimizers, self.schedules)
        return [self._plan(place, *names) for place, names in enumerate(combinations)]

    def _plan(self, position: int, problem: str, optimizer: str, schedule: str) -> CellPlan:
        change = self.problem.get(problem, Overrides())
        tuning = self.tuning.model_copy(update={"trials": change.trials} if change.trials else {})
        landscape = self.landscape.model_copy(update={"grid": change.grid} if change.grid else {})
        return CellPlan(
            suite=self.name, position=position, problem=problem, optimizer=optimizer, schedule=schedule,
            steps=change.steps or self.steps, evaluations=change.evaluations or self.evaluations,
            tuning=tuning, test=self.test, landscape=landscape,
            searching=self.optimizer.get(optimizer, Searching()), plugins=self.plugins,
        )  # fmt: skip

    def to_toml(self) -> str:
        """The suite with every default written out; reads back as an equal suite."""
        data = json.loads(self.model_dump_json(exclude_none=True))
        lines, tables = [], []
        for key, value in data.items():
            if key in ("problem", "optimizer"):
                tables += [((key, name), table) for name, table in value.items()]
            elif isinstance(value, dict):
                tables.append(((key,), value))
            else:
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        for path, table in tables:
            lines += ["", f"[{'.'.join(json.dumps(part) if index else part for index, part in enumerate(path))}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
        return "\n".join(lines) + "\n"


def builtin_suites() -> dict[str, str]:
    """The TOML text of every built-in suite, by name."""
    folder = files("benchmarks") / "suites"
    found = sorted((item.name.removesuffix(".toml"), item) for item in folder.iterdir() if item.name.endswith(".toml"))
    return {name: item.read_text(encoding="utf-8") for name, item in found}


def _toml(value: Any) -> str:
    """JSON is TOML for strings, numbers, booleans and lists; a table becomes an inline table."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _sentence(error: Any) -> str:
    """One pydantic error as ``where: what``, with the nearest key for an unknown one."""
    path = [str(part) for part in error["loc"]]
    where = ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"unknown key {where!r}{nearest(path[-1], _keys_beside(path))}"
    if error["type"] == "missing":
        return f"the key {where!r} is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}" if where else message


def _keys_beside(path: list[str]) -> list[str]:
    """The known keys of the table an unknown key stands in."""
    tables: dict[str, type[Strict]] = {
        "tuning": Tuning, "test": Test, "landscape": Landscape, "problem": Overrides, "optimizer": Searching,
    }  # fmt: skip
    table = tables.get(path[0], Suite) if len(path) > 1 else Suite
    return list(table.model_fields)

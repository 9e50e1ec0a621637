"""A suite: which problems, optimizers and schedules, with which budgets and seeds. Science lives here, machine
settings do not.

A suite is a TOML file, validated as a whole: every mistake is reported, an unknown key with the nearest known one. It
unfolds into `CellPlan`s, one for each problem x optimizer x schedule, each of which says everything that determines a
cell.
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

from pydantic import Field, ValidationError, model_validator

from benchmarks.errors import SuiteError, UnknownNameError, nearest
from benchmarks.suite.sentences import sentences
from benchmarks.suite.settings import (
    CellOverrides,
    Count,
    Dtype,
    Group,
    Landscape,
    Overrides,
    Searching,
    Spacing,
    Strict,
    Test,
    Tuning,
)

__all__ = ["CellPlan", "Suite", "builtin_suites"]


class CellPlan(Strict):
    """Everything that determines a cell's record; equal plans give equal records."""

    suite: str
    position: int
    problem: str
    optimizer: str
    schedule: str
    steps: int | None
    evaluations: int
    spacing: Spacing
    dtype: Dtype | None = None
    tuning: Tuning
    test: Test
    landscape: Landscape
    searching: Searching
    plugins: list[str]
    groups: list[Group] = []

    @property
    def name(self) -> str:
        """The cell's name and folder: readable, and unique where names hold characters a folder cannot."""
        text = "--".join([self.problem, self.optimizer, *([self.schedule] if self.schedule != "constant" else [])])
        clean = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_.")
        if clean == text and len(text) <= 100:
            return text
        return f"{clean[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class Suite(Strict):
    """A whole suite."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]  # folders take 255
    description: str = ""
    problems: Annotated[list[str], Field(min_length=1)]
    optimizers: Annotated[list[str], Field(min_length=1)]
    schedules: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] = ["constant"]
    exhibits: list[str] = []
    report: Literal["standard", "chapter"] = "standard"
    focus: str | list[str] | None = None
    plugins: list[str] = []
    on_error: Literal["stop", "skip"] = "stop"
    steps: Count | None = None
    evaluations: Count = 20
    spacing: Spacing = "linear"
    dtype: Dtype | None = None
    tuning: Tuning = Tuning()
    test: Test = Test()
    landscape: Landscape = Landscape()
    problem: dict[str, Overrides] = {}
    optimizer: dict[str, Overrides] = {}
    cell: list[CellOverrides] = []
    exhibit: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Suite:
        for kind in ("problems", "optimizers", "schedules", "exhibits"):
            names = getattr(self, kind)
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind}: {twice[0]!r} stands twice")
        names = {
            "problem": self.problems,
            "optimizer": self.optimizers,
            "schedule": self.schedules,
            "exhibit": self.exhibits,
        }
        meant = [("problem", key) for key in self.problem] + [("optimizer", key) for key in self.optimizer]
        meant += [("exhibit", key) for key in self.exhibit]
        meant += [
            (kind, getattr(change, kind)) for change in self.cell for kind in ("problem", "optimizer", "schedule")
        ]
        for kind, key in meant:
            if key is not None and key not in names[kind]:
                raise ValueError(f"{kind} {key!r} is not among the suite's {kind}s{nearest(key, names[kind])}")
        known = [
            *self.optimizers,
            *(f"{name} · {schedule}" for name, schedule in product(self.optimizers, self.schedules)),
        ]
        for name in [self.focus] if isinstance(self.focus, str) else self.focus or ():
            if name not in known:
                raise ValueError(f"focus {name!r} is not among the suite's optimizers{nearest(name, known)}")
        try:
            plans = self.cells()
        except SuiteError as error:  # overrides that do not go together
            raise ValueError(str(error).partition(": ")[2]) from error
        for plan in plans:
            tuned = [seed for study in range(plan.tuning.studies) for seed in plan.tuning.seeds_of(study)]
            shared = sorted(set(tuned) & set(plan.test.seeds)) if plan.tuning.enabled else []
            if shared:
                raise ValueError(
                    f"{plan.name}: tuning and test seeds overlap ({shared[0]}): "
                    "a result must come from seeds nobody chose by"
                )
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
            content = path.read_text(encoding="utf-8-sig")  # Windows editors begin a file with a mark
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
        except RecursionError as error:
            raise SuiteError(f"{origin} is too deeply nested") from error

    @classmethod
    def checked(cls, definition: Mapping[str, Any], origin: str) -> Suite:
        """A suite from its content; raises `SuiteError` with every mistake in it."""
        try:
            return cls.model_validate(definition)
        except ValidationError as error:
            raise SuiteError(f"{origin}: {sentences(cls, error)}") from error

    def __repr__(self) -> str:
        kinds = {"problem": self.problems, "optimizer": self.optimizers, "schedule": self.schedules}
        product = " × ".join(f"{len(names)} {kind}{'s' * (len(names) != 1)}" for kind, names in kinds.items())
        more = f" and {len(self.exhibits)} exhibits" if self.exhibits else ""
        return f"<Suite {self.name!r}: {len(self.cells())} cells ({product}){more}>"

    __str__ = __repr__

    def cells(self) -> list[CellPlan]:
        """The plan of every cell, problem by problem."""
        combinations = product(self.problems, self.optimizers, self.schedules)
        return [self._plan(place, *names) for place, names in enumerate(combinations)]

    def _plan(self, position: int, problem: str, optimizer: str, schedule: str) -> CellPlan:
        """The plan of one cell: the suite's tables, changed by the problem's, the optimizer's and matching cells'."""
        changes = [self.problem.get(problem), self.optimizer.get(optimizer)]
        changes += [change for change in self.cell if change.matches(problem, optimizer, schedule)]
        own: dict[str, Any] = {name: getattr(self, name) for name in ("steps", "evaluations", "spacing", "dtype")}
        tables: dict[str, dict[str, Any]] = {
            name: dict(getattr(self, name)) for name in ("tuning", "test", "landscape")
        }
        searching: dict[str, dict[str, Any]] = {"search": {}, "fixed": {}}
        groups: list[Group] = []
        for change in filter(None, changes):
            groups = groups if change.groups is None else change.groups
            own |= {name: getattr(change, name) for name in own if getattr(change, name) is not None}
            for name, table in tables.items():
                given = getattr(change, name)
                table |= {key: getattr(given, key) for key in given.model_fields_set}
            tables["tuning"] |= {"trials": change.trials} if change.trials else {}
            tables["landscape"] |= {"grid": change.grid} if change.grid else {}
            searching = {name: {**values, **getattr(change, name)} for name, values in searching.items()}
        return CellPlan(
            suite=self.name,
            position=position,
            problem=problem,
            optimizer=optimizer,
            schedule=schedule,
            tuning=Tuning(**tables["tuning"]),
            test=Test(**tables["test"]),
            landscape=Landscape(**tables["landscape"]),
            searching=Searching(**searching),
            plugins=self.plugins,
            groups=groups,
            **own,
        )

    def makes_the_record_of(self, other: Suite) -> bool:
        """Whether ``other`` asks for the same cells; what is done about those that cannot run is no part of them, nor
        which optimizer the report is about, nor in which folder of which machine a plug-in lies: its code is told apart
        by fingerprints.
        """
        same_plugins = [Path(each).name for each in self.plugins] == [Path(each).name for each in other.plugins]
        plugins = self.plugins if same_plugins else other.plugins
        return self == other.model_copy(update={"on_error": self.on_error, "focus": self.focus, "plugins": plugins})

    def to_toml(self) -> str:
        """The suite with every default of its own tables written out; reads back as an equal suite."""
        changes = {"problem", "optimizer", "cell", "exhibit"}
        data = json.loads(self.model_dump_json(exclude_none=True, exclude=changes))
        data |= json.loads(self.model_dump_json(exclude_unset=True, include=changes))
        if self.on_error == "stop":  # says nothing of the cells
            del data["on_error"]
        lines, tables = [], []
        for key, value in data.items():
            if key in ("problem", "optimizer", "exhibit"):
                tables += [(f"[{key}.{json.dumps(name)}]", table) for name, table in value.items()]
            elif key == "cell":
                tables += [("[[cell]]", table) for table in value]
            elif isinstance(value, dict):
                tables.append((f"[{key}]", value))
            else:
                lines.append(f"{key} = {_toml(value)}")
        for head, table in tables:
            lines += ["", head, *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"


def builtin_suites() -> dict[str, str]:
    """The TOML text of every built-in suite, by name."""
    folder = files("benchmarks.suite") / "suites"
    found = sorted((item.name.removesuffix(".toml"), item) for item in folder.iterdir() if item.name.endswith(".toml"))
    return {name: item.read_text(encoding="utf-8") for name, item in found}


def _toml(value: Any) -> str:
    """JSON is TOML for strings, numbers, booleans and lists; a table becomes an inline table."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)

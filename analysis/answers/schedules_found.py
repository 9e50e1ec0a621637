"""The schedules that a search found, over the usual ones, and what these lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import THEORY, WIDTH, EndLabel, label_ends, look_of, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, name_of, question_of
from analysis.figures.style import GREY, INK, drawing, place_ticks
from analysis.measures.axis import Axis
from analysis.measures.results import table_rows
from analysis.measures.schedule_regrets import Regret, regrets, regrets_frame
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.schedules_found import FREE, LR_FOUND, OPTIMUM, SchedulesFoundFacts
from analysis.words import estimate_text, listing, number

__all__ = ["schedules_found_part"]

SYMBOLS: Final = {"gamma": "γ", "beta2": "β₂", "momentum": "momentum"}
DASHES: Final = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
"""Lines of the usual schedules, which are grey: the optimizer's colour is for what was found."""
LEAST: Final = 1e-4
"""The lowest learning rate drawn, in shares of the highest: usual schedules fall to nothing at the end."""
VERDICTS: Final = {"better": "ends lower", "worse": "ends higher", "equal": "equal", "undecided": "not decided"}


@dataclass(frozen=True)
class _Case:
    """One optimizer on one problem: the rows of the exhibit's tables that are of it, and its regrets."""

    problem: str
    optimizer: str
    memory: str | None
    steps: int
    schedules: pd.DataFrame
    regrets: Sequence[Regret]

    @property
    def where(self) -> str:
        return f"{name_of(self.optimizer)} on {self.problem}"

    @property
    def stem(self) -> str:
        return f"{self.problem}-{self.optimizer}"

    def title(self, way: str) -> str:
        """A way in words."""
        symbol = SYMBOLS.get(str(self.memory), str(self.memory))
        found = {LR_FOUND: "lr(t) found", FREE[0]: f"lr(t) and a constant {symbol} found"}
        found |= {FREE[1]: f"lr(t) and {symbol}(t) found", OPTIMUM: "the best there is"}
        return found.get(way, way)

    def of(self, way: str) -> Regret | None:
        """The regret of ``way``."""
        return next((each for each in self.regrets if each.way == way), None)


def schedules_found_part(exhibit: Exhibit[SchedulesFoundFacts]) -> Part:
    """The part on the exhibit ``schedules-found``."""
    cases, expected = _cases(exhibit), exhibit.table("expected")
    with drawing():
        plates = [_plate(case, exhibit.facts) for case in cases]
    return Part(
        name="schedules-found",
        title="Schedules found by search",
        question=question_of(exhibit),
        answer=[
            *_in_short(cases, exhibit.facts.shapes),
            *(_loses(case, exhibit.facts.shapes) for case in cases),
            *_of_memories(cases),
            *_near(expected),
        ],
        plates=plates,
        tables=[_regret_table(cases), _choice_table(exhibit.table("choices"), cases)],
        data={
            "regrets": pd.concat([regrets_frame(case.problem, case.optimizer, case.regrets) for case in cases]),
            **{name: exhibit.table(name) for name in ("choices", "schedules", "runs", "expected")},
        },
    )


def _cases(exhibit: Exhibit[SchedulesFoundFacts]) -> list[_Case]:
    facts, runs, schedules = exhibit.facts, exhibit.table("runs"), exhibit.table("schedules")
    return [
        _Case(
            problem,
            optimizer,
            facts.memories[optimizer],
            facts.steps[problem],
            _rows(schedules, problem, optimizer),
            regrets(_rows(runs, problem, optimizer), LR_FOUND, facts.floors[problem], facts.starts[problem]),
        )
        for problem in facts.problems
        for optimizer in facts.optimizers
    ]


def _rows(table: pd.DataFrame, problem: str, optimizer: str) -> pd.DataFrame:
    return table[(table["problem"] == problem) & (table["optimizer"] == optimizer)]


def _usual(case: _Case, shapes: Sequence[str]) -> list[Regret]:
    """The regrets of the usual schedules, the lowest first."""
    return sorted((found for shape in shapes if (found := case.of(shape))), key=lambda each: each.change.value)


def _in_short(cases: Sequence[_Case], shapes: Sequence[str]) -> list[str]:
    """How often, and by how much, the best usual schedule ends above what was found."""
    best = [_usual(case, shapes)[0] for case in cases]
    worse = [each for each in best if each.verdict == "worse"]
    ends = sorted({number(pick(each.change.value for each in worse)) for pick in (min, max)}) if worse else []
    by = f", by a factor of {' to '.join(ends)}" if worse and all(each.log for each in worse) else ""
    return [
        f"Of {count(len(best), 'case')}, the best of {listing(shapes)} ends above the lr(t) that a search finds in "
        f"{len(worse)}{by}."
    ]


def _loses(case: _Case, shapes: Sequence[str]) -> str:
    """What the usual schedules lose."""
    usual = [
        f"{each.way} {_change(each)}" + (f" ({VERDICTS[each.verdict]})" if each.verdict != "worse" else "")
        for each in _usual(case, shapes)
    ]
    return capital(f"{case.where}, against lr(t) found: {listing(usual)}.")


def _change(found: Regret) -> str:
    """A regret as text."""
    lost = f", {found.lost} of {found.runs} runs diverged" if found.lost else ""
    return f"{estimate_text(found.change)} {'times its gap' if found.log else 'above its loss'}{lost}"


def _of_memories(cases: Sequence[_Case]) -> list[str]:
    """Whether it helps to search a memory too, constant and over time."""
    sentences = []
    for case in cases:
        still, moving = (case.of(way) for way in FREE)
        if still is None or moving is None:
            continue
        symbol = SYMBOLS.get(str(case.memory), str(case.memory))
        ends = [f"a constant {symbol}: {_change(still)}", f"{symbol}(t): {_change(moving)}"]
        ends = [f"{text} ({VERDICTS[each.verdict]})" for text, each in zip(ends, (still, moving), strict=True)]
        sentences.append(capital(f"{case.where}, with {symbol} searched beside lr(t): {listing(ends)}."))
    return sentences


def _near(expected: pd.DataFrame) -> list[str]:
    """How near the best there is the expected losses come, where that is known."""
    sentences = []
    for (problem, _), of in expected.groupby(["problem", "optimizer"], sort=False):
        ratios = (of["expected"] / of["optimum"]).groupby(of["way"], sort=False).median()
        ways = [f"{'the schedule found' if way == LR_FOUND else way} {number(ratio)}" for way, ratio in ratios.items()]
        sentences.append(
            f"On {problem} the lowest expected loss that any lr(t) of gradient descent reaches is known, "
            f"{number(float(of['optimum'].iloc[0]))}; in multiples of it: {listing(ways)}."
        )
    return sentences


def _plate(case: _Case, facts: SchedulesFoundFacts) -> Plate:
    panels = {f"{case.stem}-lr": _lr_panel(case)}
    finds = {f"{case.stem}-lr": _shape_found(case)}
    says = {f"{case.stem}-lr": f"Learning rate over the run: found and usual schedules of {case.where}"}
    if case.memory is not None:
        name, symbol = f"{case.stem}-memory", SYMBOLS.get(case.memory, case.memory)
        panels[name] = _memory_panel(case, symbol)
        says[name] = f"{symbol} over the run as it was found for {case.where}"
        moving = case.of(FREE[1])
        gain = "" if moving is None else f": {_change(moving)}"
        finds[name] = f"{symbol}(t) as found{gain}"
    name = f"{case.stem}-regrets"
    panels[name] = _regret_panel(case)
    says[name] = f"Regret of every schedule of {case.where} against lr(t) found"
    worst = max(case.regrets, key=lambda each: each.change.value)
    finds[name] = f"{worst.way} ends highest: {_change(worst)}"
    optimum = " Dashed and dark: the best there is." if (case.schedules["way"] == OPTIMUM).any() else ""
    caption = (
        f"{capital(case.where)}, {case.steps} steps. Coloured and bold: the median of what "
        f"{count(facts.studies, 'study', 'studies')} found, thin: the best of each; grey: usual schedules, the base lr "
        f"tuned ({facts.tried} tried a study, as in a search).{optimum} Last: how many times the gap of lr(t) found "
        "each ends with (without a floor: how much higher), mean over studies, with 90% intervals over studies and "
        f"{_seeds(case)}."
    )
    return Plate(caption, panels, says, finds)


def _seeds(case: _Case) -> str:
    return count(case.regrets[0].change.n, "test seed")


def _shape_found(case: _Case) -> str:
    """What lr(t) found looks like."""
    line = _median(case, LR_FOUND, "lr")
    peak = int(line.to_numpy().argmax())
    high, last = float(line.iloc[peak]), float(line.iloc[-1])
    share = (float(line.index[peak]) - 1) / max(1, case.steps)
    if share < 0.01:
        return f"lr(t) found falls from {number(high, 2)} to {number(last, 2)}"
    return f"lr(t) found peaks at {number(high, 2)}, {share:.0%} into the run, and ends at {number(last, 2)}"


def _median(case: _Case, way: str, column: str) -> pd.Series:
    """The median over studies of what a way chose, by step."""
    of = case.schedules[(case.schedules["way"] == way) & (case.schedules["rank"] == 0)]
    return of.groupby("step")[column].median()


def _lr_panel(case: _Case) -> Figure:
    """Draw lr(t): the found ones over the usual ones, and the best there is."""
    figure, axes = panel(3.5)
    color, table = look_of(case.optimizer).color, case.schedules
    found = table[table["way"] == LR_FOUND]
    for _, one in found.groupby(["study", "rank"]):
        axes.plot(one["step"], one["lr"], color=color, lw=0.7, alpha=0.45)
    bold = _median(case, LR_FOUND, "lr")
    axes.plot(bold.index, bold, color=color, lw=2.6, zorder=4)
    labels, shown = [EndLabel(0, float(bold.iloc[-1]), "found", color)], [found["lr"].to_numpy(np.float64)]
    for style, shape in zip(cycle(DASHES), _shapes(case), strict=False):
        line = _median(case, shape, "lr")
        axes.plot(line.index, line, color=GREY, lw=1.3, ls=style)
        labels.append(EndLabel(0, float(line.iloc[-1]), shape.replace("-", "-\n", 1), INK))
        shown.append(line.to_numpy(np.float64))
    best = table[table["way"] == OPTIMUM]
    if len(best):
        axes.plot(best["step"], best["lr"], **THEORY)
        labels.append(EndLabel(0, float(best["lr"].iloc[-1]), "best there is", INK))
        shown.append(best["lr"].to_numpy(np.float64))
    values = np.concatenate(shown)
    span(axes, "y", np.maximum(values, np.nanmax(values) * LEAST), margin=1.5)
    axes.set_xlim(1, max(2, case.steps))
    label_ends(axes, labels)
    write(axes, "step", "learning rate", case.where)
    return figure


def _memory_panel(case: _Case, symbol: str) -> Figure:
    """Draw a memory over the run, as found, and the constant that was found."""
    figure, axes = panel(3.5)
    color, table = look_of(case.optimizer).color, case.schedules
    axis = Axis(symbol, "log1m", float("nan"), np.array([0.5, 0.9, 0.99, 0.999]))
    for _, one in table[table["way"] == FREE[1]].groupby(["study", "rank"]):
        axes.plot(one["step"], axis.place(one["memory"]), color=color, lw=0.7, alpha=0.45)
    bold = _median(case, FREE[1], "memory")
    axes.plot(bold.index, axis.place(bold), color=color, lw=2.6, zorder=4)
    still = _median(case, FREE[0], "memory")
    axes.plot(still.index, axis.place(still), color=GREY, lw=1.3, ls="--")
    place_ticks(axes, "y", axis)
    axes.set_xlim(1, max(2, case.steps))
    ends = (bold, "found", color), (still, "constant,\nfound", INK)
    label_ends(axes, [EndLabel(0, float(axis.place(line)[-1]), word, ink) for line, word, ink in ends])
    write(axes, "step", symbol, case.where)
    return figure


def _shapes(case: _Case) -> list[str]:
    """The usual schedules of the case, in order."""
    return [way for way in case.schedules["way"].unique() if way not in (LR_FOUND, *FREE, OPTIMUM)]


def _regret_panel(case: _Case) -> Figure:
    """Draw every regret with its interval, level where nothing is lost."""
    figure, axes = panel(0.42 * len(case.regrets) + 1.3, WIDTH)
    log = case.regrets[0].log
    for y, each in enumerate(case.regrets):
        color = look_of(case.optimizer).color if each.way in FREE else INK
        axes.hlines(y, each.change.low, each.change.high, color=color, lw=2.2, alpha=0.7)
        axes.plot(each.change.value, y, "o", color=color, ms=6.5, zorder=4)
    axes.axvline(1.0 if log else 0.0, color=INK, lw=0.9, ls=":")
    if log:
        ends = [end for each in case.regrets for end in (each.change.low, each.change.value, each.change.high)]
        span(axes, "x", [1.0, *ends], most=1e4, margin=1.2)
    axes.set_yticks(range(len(case.regrets)), [case.title(each.way) for each in case.regrets], fontsize=8)
    axes.set_ylim(len(case.regrets) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    write(
        axes, "times the gap of lr(t) found" if log else "loss above lr(t) found", "", f"{case.where}, {_seeds(case)}"
    )
    return figure


def _regret_table(cases: Sequence[_Case]) -> TextTable:
    columns = {
        "problem": "problem",
        "optimizer": "optimizer",
        "way": "schedule",
        "change": "against lr(t) found",
        "p": "p",
        "verdict": "verdict",
    }
    rows = [
        {
            "problem": case.problem,
            "optimizer": case.optimizer,
            "way": case.title(each.way),
            "change": _change(each),
            "p": number(each.adjusted, 2),
            "verdict": VERDICTS[each.verdict],
        }
        for case in cases
        for each in case.regrets
    ]
    return TextTable(columns, rows, "", "Every regret as a table")


def _choice_table(choices: pd.DataFrame, cases: Sequence[_Case]) -> TextTable:
    titles: Mapping[tuple[str, str], _Case] = {(case.problem, case.optimizer): case for case in cases}
    columns = {"problem": "problem", "optimizer": "optimizer", "way": "way", "study": "study", "schedule": "schedule"}
    columns |= {"lr": "base lr", "loss": "tuning loss"}
    rows = [
        {
            "problem": str(row["problem"]),
            "optimizer": str(row["optimizer"]),
            "way": titles[str(row["problem"]), str(row["optimizer"])].title(str(row["way"])),
            "study": str(row["study"]),
            "schedule": str(row["schedule"]),
            "lr": number(row["lr"]) + (" (at the edge)" if row["at_edge"] else ""),
            "loss": number(row["loss"]),
        }
        for row in table_rows(choices)
    ]
    return TextTable(columns, rows, "", "What every study chose, as a suite takes it")

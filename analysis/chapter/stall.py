"""Part 3: why Adagrad stalls and RMSProp does not, and what twenty steps hide."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.answers.panels import (
    THEORY,
    EndLabel,
    floored,
    label_ends,
    look_of,
    matrix,
    panel,
    sequential,
    span,
    write,
)
from analysis.answers.part import Part, Plate, capital, exactly, name_of, question_of
from analysis.figures.style import INK, drawing
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.stall import StallFacts
from analysis.words import number, times, value_text

__all__ = ["draw_contours", "draw_path", "stall_part", "stall_reading"]

CONTOURS = "#b4c4d4"
LEVEL = 1.01
"""Factor by which what has settled may still be off: a sum over the last half of a run, a loss from its limit."""
DEEPEST = 1e-18
"""Loss at which logarithmic axes end: below it double precision leaves nothing but rounding."""


def stall_part(exhibit: Exhibit[StallFacts]) -> Part:
    """The part on the exhibit ``stall``."""
    paths, states, noise, cycles = (exhibit.table(name) for name in ("trajectories", "states", "noise", "cycles"))
    facts = exhibit.facts
    with drawing():
        runs = dict(_run_panels(paths, exhibit.table("surface"), facts.book_steps))
        inside = {"s": state_panel(states, "s"), "effective-step": state_panel(states, "effective_step")}
        inside |= {"noise-s": noise_panel(noise, "s"), "noise-loss": noise_panel(noise, "loss")}
        ends = {
            "long-run": long_panel(paths, facts.limit_loss_theory, facts.book_steps),
            "cycles": cycle_panel(cycles),
        }
    return Part(
        name="stall",
        title="Why Adagrad stalls and RMSProp does not",
        question=question_of(exhibit),
        answer=stall_reading(exhibit),
        plates=[
            Plate(
                f"The first {facts.book_steps} steps on the contours of 0.1 x₁² + 2 x₂², each dot a step, and the "
                "loss after them; the star is the minimum.",
                runs,
                {name: f"Path of {name} over the contours of the ellipse" for name in runs},
                _ways_left(paths, facts.book_steps),
            ),
            Plate(
                "(a) What stands under the root, for x₁ (solid) and x₂ (dashed): a sum, a mean or a leaky average of "
                "squared gradients. (b) What each gradient is multiplied by. Under gradient noise "
                f"({facts.noisy_problem}, mean of {facts.seeds} seeds): (c) s of x₁, and (d) the loss without "
                "the noise.",
                inside,
                {
                    "s": "s by step for each optimizer",
                    "effective-step": "Effective step by step number",
                    "noise-s": "s by step under gradient noise",
                    "noise-loss": "Loss by step under gradient noise",
                },
                _inside_finds(exhibit),
            ),
            Plate(
                f"(a) The same runs far beyond the book's {facts.book_steps} steps (dotted line). (b) Where "
                "RMSProp ends at a constant learning rate. Dashes are theory: the two-cycle x → −x of radius "
                "√(η²/4 − ε/λᵢ²) in coordinate i, whatever γ is." + _bounces(paths),
                ends,
                {
                    "long-run": "Loss by step, RMSProp levels off at the two-cycle",
                    "cycles": "Final loss against learning rate, points on the theory line",
                },
                _end_finds(exhibit),
            ),
        ],
        data={"trajectories": paths, "states": states, "noise": noise, "cycles": cycles},
    )


def stall_reading(exhibit: Exhibit[StallFacts]) -> list[str]:
    """What the exhibit says about the growing sum, who is ahead early and late, and the two-cycle."""
    return [_early(exhibit), _sum(exhibit), _late(exhibit), _cycle(exhibit)]


def _early(exhibit: Exhibit[StallFacts]) -> str:
    """By what both multiply a gradient after the book's steps, and where they are then."""
    facts, states = exhibit.facts, exhibit.table("states")
    book, lr = facts.book_steps, facts.lr
    now = states[(states["step"] == book) & (states["coordinate"] == 1) & np.isclose(states["lr"], lr)]
    factor = now.groupby("optimizer")["effective_step"].first()
    loss = _losses(exhibit, book)
    return (
        f"After {book} steps with η = {number(lr)} Adagrad multiplies a gradient of x₁ by "
        f"{number(factor['adagrad'], 2)}, for it divides by the root of all squared gradients so far; RMSProp, which "
        f"forgets old ones, by {number(factor['rmsprop'], 2)}: loss {number(loss['adagrad'])} against "
        f"{number(loss['rmsprop'], 2)}."
    )


def _sum(exhibit: Exhibit[StallFacts]) -> str:
    """Whether Adagrad's sum still grows at the end, without noise and with."""
    facts, states = exhibit.facts, exhibit.table("states")
    steps = facts.steps
    own = states[(states["optimizer"] == "adagrad") & np.isclose(states["lr"], facts.lr)]
    at = own.set_index(["step", "coordinate"])["s"]
    late = float((at[steps] / at[steps // 2]).max())
    grown = f"{number(facts.sum_growth)} times its value at step {facts.book_steps}"
    without = f"levels off, at {grown}" if late < LEVEL else f"still grows, by step {steps} to {grown}"
    return (
        f"The sum never falls. On the ellipse, whose gradients vanish, it {without}; under noise of variance 1 in "
        f"every gradient it grows by {number(facts.noisy_sum_slope)} a step for as long as the run lasts."
    )


def _late(exhibit: Exhibit[StallFacts]) -> str:
    """Who is ahead at the end, without noise and with it (mean over the last half)."""
    steps, noise = exhibit.facts.steps, exhibit.table("noise")
    loss = _losses(exhibit, steps)
    noisy = noise[noise["step"] > steps // 2].groupby("optimizer")["loss"].mean()
    ahead = [one["adagrad"] < one["rmsprop"] for one in (loss, noisy)]
    begin = {
        (True, True): "Slow is not stuck: the longer run turns the order round",
        (False, False): "The longer run keeps the order",
    }.get((ahead[0], ahead[1]), "The longer run turns the order round in one case of two")
    return (
        f"{begin}. At step {steps} Adagrad is at {number(loss['adagrad'], 2)} and RMSProp at "
        f"{number(loss['rmsprop'], 2)}; under noise, over the last half, at {number(noisy['adagrad'], 2)} and "
        f"{number(noisy['rmsprop'], 2)}."
    )


def _cycle(exhibit: Exhibit[StallFacts]) -> str:
    """Where RMSProp ends at a constant learning rate, beside theory."""
    facts, cycles = exhibit.facts, exhibit.table("cycles")
    repeat, limit, theory = int(cycles["cycling"].astype(bool).sum()), facts.limit_loss, facts.limit_loss_theory
    if abs(limit / theory - 1) > LEVEL - 1:
        return (
            f"RMSProp with η = {number(facts.lr)} is at loss {number(limit)} after {int(cycles['steps'].max())} "
            f"steps; its two-cycle, which theory puts at {number(theory)}, takes longer to settle."
        )
    return (
        f"RMSProp with a constant learning rate ends in a two-cycle, for it takes steps of about η whatever the "
        f"gradient: at η = {number(facts.lr)}, with radius about η/2, at loss {exactly(limit, 6)}, "
        f"theory {exactly(theory, 6)}. Of {len(cycles)} settings of η, γ and the place of ε "
        f"{repeat} repeat to rounding by step {int(cycles['steps'].max())}, and no loss is further from theory than "
        f"{number(facts.largest_error, 2)} of it. The book's {facts.book_steps} steps end before."
    )


def _losses(exhibit: Exhibit[StallFacts], step: int) -> pd.Series:
    """The loss at ``step`` of every optimizer that ran with the book's learning rate."""
    paths = exhibit.table("trajectories")
    last = paths[(paths["step"] == step) & np.isclose(paths["lr"], exhibit.facts.lr)]
    return last.groupby("optimizer")["loss"].first()


def _bounces(paths: pd.DataFrame) -> str:
    """Why averaged Adagrad jumps, where its loss rises a millionfold after the first tenth of its steps."""
    own = paths[(paths["optimizer"] == "adagrad-averaged") & (paths["step"] > 0.1 * paths["step"].max())]
    loss = floored(own.sort_values("step")["loss"], DEEPEST)
    if loss.size == 0 or loss.max() < 1e6 * np.minimum.accumulate(loss)[np.argmax(loss)]:
        return ""
    return (
        " Averaged Adagrad jumps where its step, which grows as √t once the gradients are gone, has passed 2/λ, "
        "the limit of stability; the large gradients that follow shorten it again."
    )


def _ways_left(paths: pd.DataFrame, steps: int) -> dict[str, str]:
    """How much of the way from its start to the minimum each run has left after ``steps``, and which ends lowest."""
    found, last = {}, paths[paths["step"] == steps]
    lowest = str(last["run"].to_numpy()[int(np.argmin(last["loss"]))])
    for name, path in paths[paths["step"].isin([0, steps])].groupby("run", sort=False):
        first, end = table_rows(path.sort_values("step"))
        left = math.hypot(end["x1"], end["x2"]) / math.hypot(first["x1"], first["x2"])
        who = f"{capital(name_of(str(end['optimizer'])))} at η = {number(float(end['lr']))}"
        share = f"{number(100 * left, 2)}% of the way left"
        found[str(name)] = f"{who} ends lowest: {share}" if name == lowest else f"{who} has {share}"
    return found


def _inside_finds(exhibit: Exhibit[StallFacts]) -> dict[str, str]:
    """What a gradient is divided and multiplied by, and what noise changes, Adagrad against RMSProp."""
    facts, noise, states = exhibit.facts, exhibit.table("noise"), exhibit.table("states")
    own = states[(states["coordinate"] == 1) & np.isclose(states["lr"], facts.lr)]
    s, factor = (own.set_index(["optimizer", "step"])[column] for column in ("s", "effective_step"))
    late = noise[noise["step"] > facts.steps // 2].groupby("optimizer")[["s", "loss"]].mean()
    loss, book = late["loss"], facts.book_steps
    multiplied = [number(float(factor[name, book]), 2) for name in ("rmsprop", "adagrad")]
    below = "lower" if loss["adagrad"] < loss["rmsprop"] else "higher"
    return {
        "s": f"At step {facts.steps} Adagrad's sum is "
        f"{times(float(s['adagrad', facts.steps] / s['rmsprop', facts.steps]))} RMSProp's average",
        "effective-step": f"At step {book} RMSProp multiplies a gradient by {multiplied[0]}, "
        f"Adagrad by {multiplied[1]}",
        "noise-s": f"Under noise Adagrad's sum grows by {number(facts.noisy_sum_slope)} a step, RMSProp's average "
        f"stays near {number(float(late['s']['rmsprop']), 2)}",
        "noise-loss": f"Under noise Adagrad ends {below} than RMSProp: {number(float(loss['adagrad']), 2)} against "
        f"{number(float(loss['rmsprop']), 2)}",
    }


def _end_finds(exhibit: Exhibit[StallFacts]) -> dict[str, str]:
    """Who is highest at the end, and whether RMSProp cycles."""
    facts, cycles = exhibit.facts, exhibit.table("cycles")
    loss = _losses(exhibit, facts.steps)
    repeat = int(cycles["cycling"].astype(bool).sum())
    return {
        "long-run": f"By step {facts.steps} {name_of(str(loss.idxmax()))} ends highest, at "
        f"{number(float(loss.max()), 2)}",
        "cycles": f"RMSProp ends in a two-cycle: {repeat} of {len(cycles)} settings repeat to rounding"
        if repeat
        else f"No setting repeats to rounding by step {int(cycles['steps'].max())}",
    }


def draw_contours(axes: Axes, surface: pd.DataFrame) -> None:
    """Draw contours of a ``surface`` table (x1, x2, loss) at even distances of the logarithm."""
    x1, x2, loss = matrix(surface, "x2", "x1", "loss")
    high = float(loss.max())
    axes.contour(x1, x2, loss, levels=high * 10.0 ** np.arange(-3.5, 0, 0.5), colors=CONTOURS, linewidths=0.9)
    axes.set_xlim(x1[0], x1[-1])
    axes.set_ylim(x2[0], x2[-1])
    axes.grid(visible=False)


def draw_path(axes: Axes, path: pd.DataFrame, color: str) -> None:
    """Draw a path's points in order, its start as a ring, the minimum at the origin as a star."""
    axes.plot(path["x1"], path["x2"], "o-", color=color, ms=3.6, lw=1.5, mew=0, zorder=4)
    axes.plot(path["x1"].iloc[0], path["x2"].iloc[0], "o", color="white", mec=INK, ms=7, mew=1.3, zorder=5)
    axes.plot(0, 0, "*", color=INK, mec="white", ms=13, zorder=6)


def _run_panels(paths: pd.DataFrame, surface: pd.DataFrame, steps: int) -> Iterator[tuple[str, Figure]]:
    """Yield a panel of the first ``steps`` steps of every run."""
    shown = paths[paths["step"] <= steps]
    low, high = (float(shown["x2"].agg(which)) for which in ("min", "max"))
    for name, path in shown.groupby("run", sort=False):
        figure, axes = panel(3.0)
        draw_contours(axes, surface)
        bottom, top = axes.get_ylim()
        axes.set_ylim(min(bottom, 1.1 * low), max(top, 1.1 * high))
        ordered = path.sort_values("step")
        optimizer = str(ordered["optimizer"].iloc[0])
        draw_path(axes, ordered, look_of(optimizer).color)
        end = ordered.iloc[-1]
        title = f"{name_of(optimizer)}, η = {number(float(end['lr']))}"
        write(axes, "x₁", "x₂", f"{title}: loss {number(float(end['loss']), 2)}")
        yield str(name), figure


def state_panel(states: pd.DataFrame, column: str) -> Figure:
    """Draw ``column`` (s or effective_step) by step for each run of the book's lr, both coordinates."""
    figure, axes = panel()
    labels = []
    smallest_lr = states.groupby("optimizer")["lr"].transform("min")
    shown = states[states["lr"] == smallest_lr]
    for optimizer, run in shown.groupby("optimizer", sort=False):
        look = look_of(str(optimizer))
        for coordinate, line in run.sort_values("step").groupby("coordinate"):
            axes.plot(
                line["step"], floored(line[column], DEEPEST), color=look.color, ls="-" if coordinate == 1 else "--"
            )
        first = run[run["coordinate"] == 1].sort_values("step").iloc[-1]
        labels.append(EndLabel(float(first["step"]), float(first[column]), name_of(str(optimizer)), look.color))
    span(axes, "x", shown["step"], margin=1.0)
    span(axes, "y", floored(shown[column], DEEPEST), margin=2)
    label_ends(axes, labels)
    title = "What stands under the root" if column == "s" else "What a gradient is multiplied by"
    write(axes, "step", "s" if column == "s" else "η / √(s + ε)", title)
    return figure


def noise_panel(noise: pd.DataFrame, column: str) -> Figure:
    """Draw ``column`` (s or loss) by step under gradient noise for the first coordinate, a line a run."""
    figure, axes = panel()
    labels, first = [], noise[noise["coordinate"] == noise["coordinate"].min()]
    for optimizer, run in first.groupby("optimizer", sort=False):
        line, look = run.sort_values("step"), look_of(str(optimizer))
        axes.plot(line["step"], line[column], color=look.color)
        labels.append(EndLabel(0, float(line[column].iloc[-1]), name_of(str(optimizer)), look.color))
    span(axes, "x", first["step"], margin=1.0)
    span(axes, "y", first[column], margin=1.5)
    label_ends(axes, labels)
    title = "What stands under the root, with noise" if column == "s" else "The loss under noise"
    write(axes, "step", "s of x₁" if column == "s" else "loss without noise", title)
    return figure


def long_panel(paths: pd.DataFrame, limit: float, book: int) -> Figure:
    """Draw the loss of every run over all its steps, and the loss of the two-cycle in theory."""
    figure, axes = panel()
    labels, losses = [], floored(paths["loss"], DEEPEST)
    rates = {name: run["lr"].min() for name, run in paths.groupby("optimizer")}
    for _, run in paths.groupby("run", sort=False):
        line = run[run["step"] > 0].sort_values("step")
        optimizer, lr = str(line["optimizer"].iloc[0]), float(line["lr"].iloc[0])
        look = look_of(optimizer)
        axes.plot(
            line["step"], floored(line["loss"], DEEPEST), color=look.color, ls="-" if lr == rates[optimizer] else "--"
        )
        end = float(floored(line["loss"], DEEPEST)[-1])
        labels.append(EndLabel(0, end, f"{name_of(optimizer)} {number(lr)}", look.color))
    axes.axhline(limit, **THEORY)
    axes.axvline(book, color=INK, lw=0.9, ls=":")
    span(axes, "x", paths["step"], margin=1.0)
    span(axes, "y", losses, margin=4)
    label_ends(axes, labels)
    write(axes, "step", "loss", f"Loss far beyond step {book}")
    return figure


def cycle_panel(cycles: pd.DataFrame) -> Figure:
    """Draw the loss at the end against lr, one marker a γ, theory as a dashed line."""
    figure, axes = panel()
    theory = cycles.drop_duplicates("lr").sort_values("lr")
    axes.plot(theory["lr"], floored(theory["loss_theory"], DEEPEST), **THEORY, label="two-cycle, theory")
    sizes = np.linspace(12, 4, cycles["gamma"].nunique())
    for color, size, (gamma, points) in zip(sequential(sizes.size), sizes, cycles.groupby("gamma"), strict=True):
        label = f"γ = {value_text(float(str(gamma)), 'log1m')}"
        ends = floored(points["loss"], DEEPEST)
        axes.plot(points["lr"], ends, "o", mfc="none", mec=color, mew=1.7, ms=size, label=label)
    span(axes, "x", cycles["lr"])
    span(axes, "y", np.r_[floored(cycles["loss"], DEEPEST), floored(cycles["loss_theory"], DEEPEST)], margin=3)
    axes.legend(loc="upper left")
    write(axes, "learning rate η", f"loss after {int(cycles['steps'].max())} steps", "RMSProp at a constant η")
    return figure

"""Part 3: why Adagrad stalls and RMSProp does not, and what twenty steps hide."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import number, value_text
from analysis.chapter.panels import THEORY, EndLabel, floored, label_ends, look_of, matrix, panel, span, write
from analysis.chapter.part import Part, Plate, exactly, name_of, question_of
from analysis.exhibits import Exhibit
from analysis.style import INK, PALETTE, drawing

__all__ = ["draw_contours", "draw_path", "stall_part", "stall_reading"]

CONTOURS = "#b4c4d4"
DEEPEST = 1e-18
"""Loss at which logarithmic axes end: below it double precision leaves nothing but rounding."""


def stall_part(exhibit: Exhibit) -> Part:
    """Return the part on the exhibit ``stall``."""
    paths, states, noise, cycles = (exhibit.table(name) for name in ("trajectories", "states", "noise", "cycles"))
    facts = exhibit.facts
    with drawing():
        runs = dict(_run_panels(paths, exhibit.table("surface"), int(facts["book_steps"])))
        inside = {"s": state_panel(states, "s"), "effective-step": state_panel(states, "effective_step")}
        inside |= {"noise-s": noise_panel(noise, "s"), "noise-loss": noise_panel(noise, "loss")}
        ends = {"long-run": long_panel(paths, float(facts["limit_loss_theory"])), "cycles": cycle_panel(cycles)}
    return Part(
        name="stall",
        title="Why Adagrad stalls and RMSProp does not",
        question=question_of(exhibit),
        answer=stall_reading(exhibit),
        plates=[
            Plate(
                f"The first {facts['book_steps']} steps on the contours of 0.1 x₁² + 2 x₂², each dot a step; the star "
                "is the minimum.",
                runs,
                {name: f"Path of {name} over the contours of the ellipse" for name in runs},
            ),
            Plate(
                "Left: what stands under the root, for x₁ (solid) and x₂ (dashed). Adagrad's sum only grows; a mean or "
                "a leaky average follows the gradients down. Right: what each gradient is multiplied by. Below, the "
                f"same under gradient noise ({facts['noisy_problem']}, mean of {facts['seeds']} seeds): s of x₁, "
                "and the loss without the noise.",
                inside,
                {
                    "s": "s by step for each optimizer",
                    "effective-step": "Effective step by step number",
                    "noise-s": "s by step under gradient noise",
                    "noise-loss": "Loss by step under gradient noise",
                },
            ),
            Plate(
                "Left: the same runs far beyond the book's twenty steps (dotted line). Right: where RMSProp ends at a "
                "constant learning rate. Dashes are theory: the two-cycle x → −x of radius "
                "√(η²/4 − ε/λᵢ²) in coordinate i, whatever γ is.",
                ends,
                {
                    "long-run": "Loss by step, RMSProp levels off at the two-cycle",
                    "cycles": "Final loss against learning rate, points on the theory line",
                },
            ),
        ],
        data={"trajectories": paths, "states": states, "noise": noise, "cycles": cycles},
    )


def stall_reading(exhibit: Exhibit) -> list[str]:
    """Return what the exhibit says about the growing sum, the two-cycle, and what the book's steps hide."""
    facts, paths = exhibit.facts, exhibit.table("trajectories")
    book = int(facts["book_steps"])
    last = paths[paths["step"] == book]
    fixed = last[np.isclose(last["lr"], facts["lr"])].groupby("optimizer")["loss"].first()
    sentences = [
        f"Adagrad adds up all squared gradients: from step {book} to step {facts['steps']} its sum still grows "
        f"to {number(facts['sum_growth'])} times itself, and under gradient noise of variance 1 by "
        f"{number(facts['noisy_sum_slope'])} every step without end; its steps shrink for ever, whatever the "
        "gradients have become."
    ]
    if {"adagrad", "rmsprop"} <= set(fixed.index):
        sentences.append(
            f"After {book} steps with η = {number(facts['lr'])} it is at loss {number(fixed['adagrad'])}, "
            f"RMSProp at {number(fixed['rmsprop'], 2)}."
        )
    cycles = exhibit.table("cycles")
    cycling = cycles[cycles["cycling"].astype(bool)]
    sentences.append(
        f"But RMSProp does not converge either: at constant η = {number(facts['lr'])} it ends in a two-cycle of radius "
        f"about η/2 at loss {exactly(facts['limit_loss'], 6)}, theory {exactly(facts['limit_loss_theory'], 6)}. "
        f"Of {len(cycles)} settings of η and γ {len(cycling)} repeat to the last digit by step "
        f"{int(cycles['steps'].max())}, and no loss is further from theory than {number(facts['largest_error'], 2)} "
        f"of it. The book's {book} steps hide this."
    )
    return sentences


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
    for name, path in paths[paths["step"] <= steps].groupby("run", sort=False):
        figure, axes = panel(3.0)
        draw_contours(axes, surface)
        ordered = path.sort_values("step")
        optimizer = str(ordered["optimizer"].iloc[0])
        draw_path(axes, ordered, look_of(optimizer).color)
        end = ordered.iloc[-1]
        title = f"{name_of(optimizer)}, η = {number(float(end['lr']))}"
        write(axes, "x₁", "x₂", f"{title}: loss {number(float(end['loss']), 2)} after {int(end['step'])}")
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
    title = "Under noise the sum grows for ever" if column == "s" else "The loss under noise"
    write(axes, "step", "s of x₁" if column == "s" else "loss without noise", title)
    return figure


def long_panel(paths: pd.DataFrame, limit: float) -> Figure:
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
    axes.axvline(20, color=INK, lw=0.9, ls=":")
    span(axes, "x", paths["step"], margin=1.0)
    span(axes, "y", losses, margin=4)
    label_ends(axes, labels)
    write(axes, "step", "loss", "What twenty steps hide")
    return figure


def cycle_panel(cycles: pd.DataFrame) -> Figure:
    """Draw the loss at the end against lr, one marker a γ, theory as a dashed line."""
    figure, axes = panel()
    theory = cycles.drop_duplicates("lr").sort_values("lr")
    axes.plot(theory["lr"], floored(theory["loss_theory"], DEEPEST), **THEORY, label="two-cycle, theory")
    sizes = np.linspace(12, 4, cycles["gamma"].nunique())
    for color, size, (gamma, points) in zip(PALETTE, sizes, cycles.groupby("gamma"), strict=False):
        label = f"γ = {value_text(float(str(gamma)), 'log1m')}"
        ends = floored(points["loss"], DEEPEST)
        axes.plot(points["lr"], ends, "o", mfc="none", mec=color, mew=1.7, ms=size, label=label)
    span(axes, "x", cycles["lr"])
    span(axes, "y", np.r_[floored(cycles["loss"], DEEPEST), floored(cycles["loss_theory"], DEEPEST)], margin=3)
    axes.legend(loc="upper left")
    write(axes, "learning rate η", f"loss after {int(cycles['steps'].max())} steps", "RMSProp ends in a two-cycle")
    return figure

"""Every number printed in the book's chapter beside ours: exact runs to the digit, random ones as draws among ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from analysis.record.exhibits.numbers import NumbersFacts
from analysis.statistics.bootstrap import spread
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.printed import EXACT, NEWTON, NOISY, REGRESSION, BookRun, Printed
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.regression import BookRegression
from benchmarks.naming.registry import OPTIMIZERS, make_problem, make_schedules
from benchmarks.suite.settings import Count
from problems import Problem
from problems.data import has_airfoil_file

__all__ = ["Numbers"]


class Numbers(Question):
    """Runs everything the book prints; ``seeds`` repeat each random run."""

    name = "numbers"
    seconds = 6.0

    seeds: Count = 200

    def problems(self, data: Path | None) -> list[Problem]:
        return [BookRegression(data=data).named("airfoil")]

    def answer(self, data: Path | None) -> Answer:
        seeds = range(1, self.seeds + 1)
        rows = [row for run in (*EXACT, *NEWTON) for row in _exact_rows(run)]
        outcomes: list[pd.DataFrame] = []
        for run in NOISY:
            ends = dict(zip(("x1", "x2"), _ends(run, make_problem(run.problem), seeds).unbind(-1), strict=True))
            rows += _drawn_rows(run, ends, "none")
            outcomes += [_outcomes(run, quantity, "none", seeds, ends[quantity]) for quantity in ends]
        origins = {"surrogate": None, **({"file": data} if has_airfoil_file(data) else {})}
        losses = {run.name: {o: _losses(run, folder, seeds) for o, folder in origins.items()} for run in REGRESSION}
        at_hand = list(origins)[-1]
        for run in REGRESSION:
            rows += _drawn_rows(run, {"loss": losses[run.name][at_hand]}, at_hand)
            outcomes += [_outcomes(run, "loss", origin, seeds, loss) for origin, loss in losses[run.name].items()]
        numbers = pd.DataFrame(rows)
        sets = [
            {"run": run, "data": o, **asdict(spread(loss.double().numpy()))}
            for run, of in losses.items()
            for o, loss in of.items()
        ]
        every = pd.concat(outcomes, ignore_index=True)
        tables = {"numbers": numbers, "outcomes": every, "data_sets": pd.DataFrame(sets)}
        return Answer(tables, self._facts(numbers, losses, at_hand), self._method(at_hand))

    def _facts(self, numbers: pd.DataFrame, losses: Mapping[str, Mapping[str, Tensor]], at_hand: str) -> NumbersFacts:
        verdicts = numbers["verdict"].value_counts()
        regression = BookRegression()
        assert regression.minimum is not None
        shifts = [(*_shift(of["surrogate"], of["file"]), run) for run, of in losses.items() if "file" in of]
        largest = max(shifts, default=(None, None, None))
        clearest = max(shifts, key=lambda shift: shift[1], default=(None, None, None))
        return NumbersFacts(
            numbers=len(numbers),
            exact=int(verdicts.get("exact", 0)),
            inside=int(verdicts.get("inside", 0)),
            differs=int(verdicts.get("differs", 0)),
            seeds=self.seeds,
            floor=regression.minimum,
            start_loss=float(regression.evaluate(torch.zeros(1, regression.dim))["loss"]),
            limit_lr=2 / float(torch.linalg.eigvalsh(regression.hessian)[-1]),
            data=at_hand,
            has_file=at_hand == "file",
            largest_shift=largest[0],
            shift_errors=largest[1],
            clearest_shift=clearest[0],
            clearest_errors=clearest[1],
            clearest_run=clearest[2],
        )

    def _method(self, at_hand: str) -> list[str]:
        data = "the real measurements" if at_hand == "file" else "rows with exactly the moments of the measurements"
        return [
            "Every run goes through the same engine and update rules as all else here; only Newton's method, which "
            "needs second derivatives, is computed beside it.",
            f"Random runs are repeated for {self.seeds} seeds of start, order of rows and noise. A printed number "
            "counts as inside where it lies, to its digits, between the 5% and the 95% quantile of ours.",
            f"The regressions use {data}. Concise ones train as a library's layers and losses do: four epochs, the "
            "error without its ½ and the bias drawn at random; the loss given has the ½.",
            "The book's Yogi starts its averages at 0, ours at 1e-6.",
        ]


def _exact_rows(run: BookRun) -> Iterator[dict[str, Any]]:
    problem = make_problem(run.problem)
    ends = _newton(run, problem) if run.optimizer == "newton" else _ends(run, problem, [1])[0]
    names = ["x"] if len(ends) == 1 else ["x1", "x2"]
    ours = dict(zip(names, ends.tolist(), strict=True))
    for printed in run.printed:
        value = ours[printed.quantity]
        same = round(value, printed.digits) == printed.value
        reason = "" if same else f"ours is {value:.{printed.digits}f}: {run.reason}"
        yield {
            **_described(run, printed),
            "kind": "exact",
            "data": "none",
            "ours": value,
            "low": math.nan,
            "high": math.nan,
            "mean": value,
            "deviation": 0.0,
            "seeds": 1,
            "place": math.nan,
            "verdict": "exact" if same else "differs",
            "reason": reason,
        }


def _drawn_rows(run: BookRun, ends: Mapping[str, Tensor], data: str) -> Iterator[dict[str, Any]]:
    for printed in run.printed:
        values = ends[printed.quantity]
        lying = spread(values.double().numpy())
        half = 0.5 * 10.0**-printed.digits
        inside = printed.value + half >= lying.low and printed.value - half <= lying.high
        below = (values < printed.value - half).double().mean()
        place = float(below + ((values - printed.value).abs() <= half).double().mean() / 2)
        yield {
            **_described(run, printed),
            "kind": "distribution",
            "data": data,
            "ours": lying.median,
            "low": lying.low,
            "high": lying.high,
            "mean": lying.mean,
            "deviation": lying.deviation,
            "seeds": lying.seeds,
            "place": place,
            "verdict": "inside" if inside else "differs",
            "reason": "" if inside else _outside(place),
        }


def _outside(place: float) -> str:
    share = min(place, 1 - place)
    if share == 0:
        return f"no seed of ours ends so {'low' if place == 0 else 'high'}"
    side = "lower" if place < 0.5 else "higher"
    return f"a rare draw: {share:.1%} of our seeds end {side}, and one draw in ten lies outside the range"


def _described(run: BookRun, printed: Printed) -> dict[str, Any]:
    return {
        "run": run.name,
        "section": run.section,
        "title": run.title,
        "optimizer": run.optimizer,
        "problem": run.problem,
        "setting": run.setting,
        "quantity": printed.quantity,
        "edition": printed.edition,
        "printed": printed.value,
        "digits": printed.digits,
        "stored_low": printed.low,
        "stored_high": printed.high,
    }


def _ends(run: BookRun, problem: Problem, seeds: range | list[int]) -> Tensor:
    """The end points ``[S, P]`` of a run."""
    training = Training(
        problem,
        OPTIMIZERS[run.optimizer],
        seeds,
        run.steps,
        schedules=make_schedules(run.schedule),
        dtype=torch.float32 if run.single else None,
        keep_path=True,
    )
    trace = train(training, run.values)
    assert trace.path is not None
    return trace.path[0, :, -1]


def _losses(run: BookRun, data: Path | None, seeds: range) -> Tensor:
    """The final losses ``[S]`` of a regression, NaN where it diverged."""
    assert run.batch is not None
    problem = BookRegression(run.batch, data, doubled=run.library, uniform_bias=run.library)
    return train(Training(problem, OPTIMIZERS[run.optimizer], seeds, run.steps), run.values).final_loss[0]


def _newton(run: BookRun, problem: Problem) -> Tensor:
    """Where x <- x - lr f'(x) / f''(x) ends, in one variable; by the signed curvature, as the book's."""
    x = problem.start([1])[0]
    for _ in range(run.steps):
        x.requires_grad_()
        (slope,) = torch.autograd.grad(problem.loss(x, None), x, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), x)
        x = (x - run.values["lr"] * slope / curvature).detach()
    return x


def _outcomes(run: BookRun, quantity: str, data: str, seeds: range, values: Tensor) -> pd.DataFrame:
    return pd.DataFrame(
        {"run": run.name, "quantity": quantity, "data": data, "seed": list(seeds), "value": values.double().numpy()}
    )


def _shift(one: Tensor, other: Tensor) -> tuple[float, float]:
    """The difference of two means, in absolute value and in standard errors."""
    difference = abs(float(one.nanmean() - other.nanmean()))
    a, b = spread(one.double().numpy()), spread(other.double().numpy())
    error = math.sqrt(a.deviation**2 / a.seeds + b.deviation**2 / b.seeds)
    return difference, difference / error

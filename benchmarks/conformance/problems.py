"""What must hold of every problem: each check takes a problem and returns a complaint, or None where all is well.

The docstring of a check is the requirement in a sentence; the complaint says what came instead and what to do.
Gradients are looked at in float64, where a right one can be told from a wrong one, on two configurations and two seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor

from benchmarks.conformance.randomness import global_random_state
from benchmarks.conformance.slopes import feasible_slope, wrong_slope
from benchmarks.engine.devices import device_here
from benchmarks.engine.foreign_lanes import of_seed
from benchmarks.engine.segments import batch_like
from benchmarks.engine.training import Training, train
from optimizers.adam import Adam
from optimizers.sgd import SGD
from problems import Batch, Facts, Problem
from problems.problem import generator

__all__ = ["COMMON_CHECKS", "PROBLEM_CHECKS", "ProblemCheck", "a_run_goes_on_the_device"]

ProblemCheck = Callable[[Problem], str | None]

SEEDS = (0, 1)
ROUNDING = 1e-9  # float64 sums of up to a million terms in another order, or by another kernel
ELSEWHERE = 1e-3  # a GPU multiplies single precision with 10 bits where it is allowed to
RARE = 300  # steps within which two seeds must differ somewhere: noise may be a rare event


def facts_are_stated(problem: Problem) -> str | None:
    """Its facts are sound: each stated once; dim, steps, chunk at least 1; tags words; target not below the minimum."""
    for fact in fields(Facts):
        stated = getattr(problem.facts, fact.name)
        if stated != fact.default and (said := getattr(problem, fact.name)) != stated:
            return f"{fact.name} is {said!r}, and {stated!r} in facts; state it once"
    for name in ("dim", "steps", "chunk"):
        value = getattr(problem, name, None)
        if not isinstance(value, int) or value < 1:
            return f"{name} is {value!r}; state it as an integer of at least 1"
    if not isinstance(problem.tags, frozenset) or not all(isinstance(tag, str) for tag in problem.tags):
        return f"tags are {problem.tags!r}; state them as a frozenset of words"
    if problem.minimum is not None and problem.target is not None and problem.target < problem.minimum:
        return f"the target {problem.target} is below the minimum {problem.minimum} and can never be reached"
    return None


def starts_are_shaped(problem: Problem) -> str | None:
    """start(seeds) gives finite float64 points [S, P], and the point of a seed whoever stands beside it."""
    start = problem.start(SEEDS)
    if start.shape != (2, problem.dim) or start.dtype != torch.float64:
        return f"start([0, 1]) has shape {tuple(start.shape)} and {start.dtype}; return float64 [2, {problem.dim}]"
    if not bool(start.isfinite().all()):
        return "start([0, 1]) is not finite"
    if not torch.equal(problem.start([1]), start[1:]):
        return (
            "start([1]) differs from the second row of start([0, 1]); draw each seed's numbers from its own generator"
        )
    return None


def losses_are_shaped(problem: Problem) -> str | None:
    """loss maps x [C, S, P] to [C, S], and x [S, P] to [S], in the precision of x, without writing x or the batch."""
    x, batch = _points(problem), _batch(problem)
    kept, kept_batch = x.clone(), _map(batch, Tensor.clone)
    for given in (x, x[0]):
        loss = problem.loss(given, batch)
        if loss.shape != given.shape[:-1] or loss.dtype != given.dtype:
            came = f"{tuple(loss.shape)} and {loss.dtype}"
            return f"the loss of x {tuple(given.shape)} {given.dtype} has shape {came}; reduce over the last axes only"
    if not torch.equal(x, kept) or not _equal(batch, kept_batch):
        return "loss changed its arguments in place; compute on new tensors"
    return None


def evaluations_are_finite(problem: Problem) -> str | None:
    """evaluate gives a finite "loss" at the start, and every metric is shaped [...] like the lanes of x [..., P]."""
    metrics = problem.evaluate(problem.start(SEEDS).to(problem.dtype).expand(1, -1, -1))
    if "loss" not in metrics:
        return f'evaluate gives {", ".join(metrics) or "nothing"}; it must give the full-data "loss"'
    for name, value in metrics.items():
        if value.shape != (1, 2):
            return (
                f"the metric {name!r} of x [1, 2, P] has shape {tuple(value.shape)}; return one number a lane, [1, 2]"
            )
    if not bool(metrics["loss"].isfinite().all()):
        return f"the loss at the start is {metrics['loss'].flatten().tolist()}; start where it is a number"
    return None


def minimisers_are_minima(problem: Problem) -> str | None:
    """At each stated minimiser the full-data loss is the stated minimum, and its gradient is zero (where feasible)."""
    if problem.minimum is None:
        return "minimisers are stated without a minimum" if len(problem.minimisers) else None
    scale = 1 + abs(problem.minimum)
    for point in problem.minimisers:
        x = torch.tensor(point, dtype=torch.float64)
        if x.shape != (problem.dim,):
            return f"the minimiser {_short(x)} has {len(x)} coordinates instead of {problem.dim}"
        lanes = x.expand(1, 1, -1)
        value = float(problem.evaluate(lanes)["loss"])
        if not abs(value - problem.minimum) <= 1e-6 * scale:
            return f"the loss at the minimiser {_short(x)} is {value:.9g}, not the minimum {problem.minimum:.9g}"
        slope = feasible_slope(problem, lanes)
        if not slope <= 1e-3 * scale:
            return (
                f"the loss falls with slope {slope:.3g} at the minimiser {_short(x)}; give its coordinates more digits"
            )
    return None


def minimum_is_not_beaten(problem: Problem) -> str | None:
    """No short training run finds a full-data loss below the stated minimum."""
    if problem.minimum is None:
        return None
    rates = torch.logspace(-4, 0, 3, dtype=torch.float64)
    loss = train(Training(problem, Adam(), [0], 20), {"lr": rates}).loss
    lowest = float(loss.nan_to_num(torch.inf).min())
    slack = 100 * torch.finfo(problem.dtype).eps * (1 + abs(problem.minimum) + float(loss[0, 0, 0].abs()))
    if lowest < problem.minimum - slack:
        return f"a run of 20 steps of Adam reached {lowest:.9g}, below the minimum {problem.minimum:.9g}; correct it"
    return None


def a_run_goes_on_the_device(problem: Problem) -> str | None:
    """A run goes on the device, and begins at the loss that it has on the CPU."""
    there, here = (
        float(train(Training(problem, SGD(), [0], 1, device=device), {}).loss[0, 0, 0])
        for device in (device_here(), "cpu")
    )
    if abs(there - here) <= ELSEWHERE * (1 + abs(here)):
        return None
    return f"it begins at {there:.9g} on {device_here()} and at {here:.9g} on the CPU"


def gradients_are_right(problem: Problem) -> str | None:
    """The gradient of the loss agrees with central differences in float64, along itself and at random."""
    x, batch = _points(problem), _batch(problem)
    _, g = _loss_and_gradient(problem, x, batch)
    norm = g.norm(dim=-1, keepdim=True)
    if not bool(norm.isfinite().all()):
        return f"the gradient near the start has norms {norm.flatten().tolist()}; make the loss differentiable there"
    random = torch.from_numpy(generator(0, "direction").standard_normal(x.shape))
    for direction in (g / norm.clamp_min(1e-300), random / random.norm(dim=-1, keepdim=True)):
        wrong = wrong_slope(problem, x, batch, g, direction)
        if wrong is not None:
            return f"{wrong}; look for detach() or a backward of one's own"
    return None


def lanes_equal_alone(problem: Problem) -> str | None:
    """Loss and gradient of a lane among others equal those of the lane alone, with its own data."""
    x = _points(problem)
    loss, g = _loss_and_gradient(problem, x, _batch(problem))
    for s, seed in enumerate(SEEDS):
        alone = batch_like(next(iter(problem.batches([seed], 1))), x)
        if not _equal(alone, of_seed(_batch(problem), s)):
            return f"seed {seed} alone is given other data than among others; draw it from the seed's own generator"
        for c in range(len(x)):
            one, slope = _loss_and_gradient(problem, x[c : c + 1, s : s + 1], alone)
            if not _close(one[0, 0], loss[c, s]) or not _close(slope[0, 0], g[c, s]):
                return f"lane ({c}, {s}) has loss {float(loss[c, s]):.9g} among others and {float(one):.9g} alone"
    return None


def lanes_are_isolated(problem: Problem) -> str | None:
    """A lane full of NaN changes neither loss, gradient nor evaluation of its neighbours."""
    x, batch = _points(problem), _batch(problem)
    poisoned = x.clone()
    poisoned[0, 0] = torch.nan
    clean, beside = (
        (*_loss_and_gradient(problem, given, batch), problem.evaluate(given[0].to(problem.dtype))["loss"].unsqueeze(0))
        for given in (x, poisoned)
    )
    others = torch.tensor([[False, True], [True, True]])
    for what, before, after in zip(("loss", "gradient", "evaluation"), clean, beside):
        of_others = others[: len(before)]
        if not _close(before[of_others], after[of_others]):
            return f"the {what} of other lanes changed when one lane became NaN; never take a mean or norm across lanes"
    return None


def seeds_fix_the_data(problem: Problem) -> str | None:
    """The same seeds give the same start and data; another seed gives others, unless the problem is deterministic."""
    first, again = ([problem.start(SEEDS), *_data(problem, SEEDS, 3)] for _ in range(2))
    if not all(_equal(a, b) for a, b in zip(first, again)):
        return "start or batches differ between two calls with the same seeds; use generator(seed, purpose)"
    parts = chain([problem.start(SEEDS)], problem.batches(SEEDS, RARE))
    same = all(_equal(of_seed(part, 0), of_seed(part, 1)) for part in parts)
    if problem.deterministic and not same:
        return "seeds 0 and 1 differ in start or data, although deterministic is True; set it to False"
    if same and not problem.deterministic:
        return "seeds 0 and 1 give the same start and data, although deterministic is False; use the seed, or set it"
    return None


def data_has_a_prefix(problem: Problem) -> str | None:
    """batches yields one batch a step, shaped [S, ...], and a longer run begins with the batches of a shorter one."""
    short, long = _data(problem, SEEDS, 2), _data(problem, SEEDS, 5)
    if (len(short), len(long)) != (2, 5):
        return f"batches(steps=2) and batches(steps=5) yield {len(short)} and {len(long)} batches; yield one a step"
    if not all(_equal(a, b) for a, b in zip(short, long, strict=False)):
        return "the first two batches of 5 differ from the batches of 2; the data must not depend on the run's length"
    for part in short[0] if isinstance(short[0], tuple) else [short[0]]:
        if part is not None and (part.dim() == 0 or len(part) != len(SEEDS)):
            return f"a batch tensor for 2 seeds has shape {tuple(part.shape)}; its first axis is seeds"
    return None


def global_randomness_is_untouched(problem: Problem) -> str | None:
    """Nothing draws from, or reseeds, the global random state of Python, NumPy or torch."""
    before = global_random_state()
    x, batch = _points(problem), _batch(problem)
    problem.loss(x, batch)
    problem.evaluate(x[0, :1].to(problem.dtype))
    if global_random_state() != before:
        return "the global random state changed; draw from generator(seed, purpose)"
    return None


def fingerprint_is_stable(problem: Problem) -> str | None:
    """The fingerprint is 16 hex digits and the same each time it is asked."""
    first, again = problem.fingerprint(), problem.fingerprint()
    if first != again:
        return f"the fingerprint changed from {first} to {again}; put only fixed values into definition()"
    if len(first) != 16 or set(first) - set("0123456789abcdef"):
        return f"the fingerprint is {first!r} instead of 16 hex digits; do not override fingerprint"
    return None


PROBLEM_CHECKS: tuple[ProblemCheck, ...] = (
    facts_are_stated, starts_are_shaped, losses_are_shaped, evaluations_are_finite, minimisers_are_minima,
    minimum_is_not_beaten, gradients_are_right, lanes_equal_alone, lanes_are_isolated, seeds_fix_the_data,
    data_has_a_prefix, global_randomness_is_untouched, fingerprint_is_stable,
)  # fmt: skip
"""Every check of a problem, cheap ones first."""

COMMON_CHECKS: tuple[ProblemCheck, ...] = (
    facts_are_stated,
    starts_are_shaped,
    evaluations_are_finite,
    minimum_is_not_beaten,
    fingerprint_is_stable,
)
"""Those that hold as well where there are no lanes."""


def _points(problem: Problem) -> Tensor:
    """Feasible points ``[2, S, P]`` near the start, where no coordinate is exactly on a kink."""
    start = problem.start(SEEDS)
    noise = np.stack([generator(0, f"point {c}").standard_normal(start.shape) for c in range(2)])
    x = start + 1e-3 * (1 + start.abs()) * torch.from_numpy(noise)
    problem.project_(x)
    return x


def _batch(problem: Problem) -> Batch:
    return batch_like(next(iter(problem.batches(SEEDS, 1))), torch.empty(0, dtype=torch.float64))


def _data(problem: Problem, seeds: tuple[int, ...], steps: int) -> list[Batch]:
    return [_map(batch, Tensor.clone) for batch in islice(problem.batches(seeds, steps), steps + 1)]


def _loss_and_gradient(problem: Problem, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    loss = problem.loss(x, batch)
    (g,) = torch.autograd.grad(loss.sum(), x)
    return loss.detach(), g


def _map(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    if batch is None:
        return None
    return tuple(function(part) for part in batch) if isinstance(batch, tuple) else function(batch)


def _equal(a: Batch, b: Batch) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b))
    return a is None and b is None


def _close(a: Tensor, b: Tensor) -> bool:
    rounding = max(ROUNDING, 10 * torch.finfo(a.dtype).eps)
    return bool(((a - b).abs() <= rounding * (1e-3 + a.abs().max())).all())


def _short(x: Tensor) -> str:
    numbers = [f"{value:.6g}" for value in x[:4].tolist()]
    return f"({', '.join(numbers)}{', …' if len(x) > 4 else ''})"

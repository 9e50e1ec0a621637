"""The problems of `stepscape speed` in JAX, as its users write them: imported only where JAX is installed.

Each is a loss of one run; `jit(vmap(scan))` makes all runs and all steps one program. The work is ours: the problem's
precision, lr and gamma a lane, the loss of every step, and whether a lane is alive and how many steps it was. Batches
are handed over ready, as one array of all steps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.engine.calls import evaluation_of
from benchmarks.engine.driver import divergence_limit
from benchmarks.engine.segments import batch_like
from benchmarks.engine.speed.goals import EPS, Goal
from problems import Problem

__all__ = ["PROGRAMS", "Ended", "JaxRun", "Program", "loss_of_start"]

Array = Any  # jax.Array, which is not there to be checked
Parameters = Any
L2: Final = 1e-3


@dataclass(frozen=True)
class Program:
    """A loss of one run, ``loss(parameters, batch)``, and how its parameters are cut from a flat vector ``[P]``."""

    loss: Callable[[Parameters, Any], Array]
    unravel: Callable[[Array], Parameters] = lambda flat: flat


def _ellipse(x: Array, batch: None) -> Array:  # noqa: ARG001 - no data
    return 0.1 * x[0] ** 2 + 2 * x[1] ** 2


def _rosenbrock(x: Array, batch: None) -> Array:  # noqa: ARG001
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _quadratic(x: Array, noise: Array) -> Array:
    return 0.5 * jnp.sum(jnp.geomspace(1e-3, 1, 100) * x * x) + noise @ x


def _airfoil(x: Array, batch: tuple[Array, Array]) -> Array:
    rows, targets = batch
    return jnp.mean((rows @ x - targets) ** 2) / 2


def _breast_cancer(x: Array, batch: tuple[Array, Array]) -> Array:
    rows, targets = batch
    logits = rows @ x
    return jnp.mean(jax.nn.softplus(logits) - logits * targets) + 0.5 * L2 * x @ x


def _cross_entropy(logits: Array, labels: Array) -> Array:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1))


def _digits_softmax(parameters: tuple[Array, ...], batch: tuple[Array, Array]) -> Array:
    inputs, labels = batch
    weight, bias = parameters
    penalty = 0.5 * L2 * (jnp.sum(weight**2) + jnp.sum(bias**2))
    return _cross_entropy(inputs @ weight + bias, labels) + penalty


def _digits_mlp(parameters: tuple[Array, ...], batch: tuple[Array, Array]) -> Array:
    inputs, labels = batch
    weight, bias, last_weight, last_bias = parameters
    return _cross_entropy(jnp.tanh(inputs @ weight + bias) @ last_weight + last_bias, labels)


def _char_gru(parameters: tuple[Array, ...], batch: tuple[Array, Array]) -> Array:
    text, following = batch
    reads, recalls, recall_bias, readout, readout_bias = parameters

    def step(hidden: Array, read: Array) -> tuple[Array, Array]:
        recalled = hidden @ recalls + recall_bias
        size = hidden.shape[-1]
        reset, keep = jnp.split(jax.nn.sigmoid(read[:, : 2 * size] + recalled[:, : 2 * size]), 2, -1)
        new = jnp.tanh(read[:, 2 * size :] + reset * recalled[:, 2 * size :])
        hidden = new + keep * (hidden - new)
        return hidden, hidden

    read = jnp.swapaxes(reads[text], 0, 1)  # [T, B, 3 H]
    _, states = lax.scan(step, jnp.zeros((len(text), recalls.shape[0])), read)
    return _cross_entropy(states @ readout + readout_bias, following.T)


def _cut(*shapes: tuple[int, ...], turned: Sequence[int] = ()) -> Callable[[Array], Parameters]:
    """Parameters of those ``shapes`` from a flat vector; those ``turned`` are transposed, to read inputs first."""

    def unravel(flat: Array) -> Parameters:
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        parts = [part.reshape(shape) for part, shape in zip(jnp.split(flat, ends), shapes, strict=True)]
        return tuple(part.T if place in turned else part for place, part in enumerate(parts))

    return unravel


PROGRAMS: Final[Mapping[str, Program]] = {
    "ellipse": Program(_ellipse),
    "rosenbrock": Program(_rosenbrock),
    "quadratic": Program(_quadratic),
    "airfoil": Program(_airfoil),
    "breast-cancer": Program(_breast_cancer),
    "digits-softmax": Program(_digits_softmax, _cut((10, 64), (10,), turned=(0,))),
    "digits-mlp": Program(_digits_mlp, _cut((32, 64), (32,), (10, 32), (10,), turned=(0, 2))),
    "char-gru": Program(_char_gru, _cut((8, 96), (96, 32), (96,), (8, 32), (8,), turned=(1, 3))),
}
"""The programs, by the problem's name."""


@dataclass(frozen=True)
class Ended:
    """Where the runs ended: the loss before the last update ``[C, S]``, and how many updates they were alive."""

    loss: np.ndarray[Any, Any]
    valid_steps: np.ndarray[Any, Any]


class JaxRun:
    """All runs of a goal for so many steps, compiled; ``compile_seconds`` are the CPU seconds that took.

    Configurations and seeds are two axes, and which is mapped first makes up to twice the difference: of the two
    programs the faster one is kept, as its user would find by trying.
    """

    def __init__(self, goal: Goal, steps: int) -> None:
        training = goal.training(steps)
        problem, start = training.problem, training.start()
        self.goal, self.steps = goal, steps
        self.double = problem.dtype == torch.float64
        limit = divergence_limit(problem, evaluation_of(problem, start)["loss"]).to(problem.dtype)
        values = [value.to(problem.dtype) for value in goal.configurations.values()]
        with jax.enable_x64(self.double):
            batches = _stacked([batch_like(batch, start) for batch in problem.batches(training.seeds, steps)])
            self.given = [jnp.asarray(value.numpy()) for value in (*values, start, limit)]
            self.given.append(batches)
        one = _one(PROGRAMS[goal.problem], steps)
        compiled = [self._compiled(mapped(one, goal.seeds)) for mapped in (_by_seeds, _by_configurations)]
        self.compile_seconds, self.program = min(compiled, key=lambda each: self._seconds(each[1]))

    def __call__(self) -> float:
        """CPU seconds a step of one run."""
        return self._seconds(self.program) / (self.steps * self.goal.lanes)

    def ended(self) -> Ended:
        """Where the runs end."""
        with jax.enable_x64(self.double):
            loss, valid = self.program(*self.given)[-2:]
        return Ended(np.asarray(loss), np.asarray(valid))

    def _compiled(self, runs: Callable[..., Any]) -> tuple[float, Callable[..., Any]]:
        began = time.process_time()
        with jax.enable_x64(self.double):
            program = jax.jit(runs).lower(*self.given).compile()
            seconds = time.process_time() - began
            jax.block_until_ready(program(*self.given))  # the first call allocates
        return seconds, program

    def _seconds(self, program: Callable[..., Any]) -> float:
        began = time.process_time()
        with jax.enable_x64(self.double):
            jax.block_until_ready(program(*self.given))
        return time.process_time() - began


def loss_of_start(problem: Problem, name: str, seed: int = 1) -> float:
    """The loss of the start on the first batch of a seed."""
    x = problem.start([seed]).to(problem.dtype)
    batch = batch_like(next(iter(problem.batches([seed], 1))), x)
    program = PROGRAMS[name]
    with jax.enable_x64(problem.dtype == torch.float64):
        rows = jax.tree.map(lambda part: part[0, 0], _stacked([batch]))
        return float(program.loss(program.unravel(jnp.asarray(x[0].numpy())), rows))


def _one(program: Program, steps: int) -> Callable[..., Any]:
    """One run as a function of lr, gamma, start ``[P]``, limit and batches ``[T, ...]``.

    It returns parameters and state, whether the run is alive, its loss before the last update, and its valid steps.
    """

    def run(lr: Array, gamma: Array, start: Array, limit: Array, batches: Any) -> tuple[Any, ...]:
        gradient = jax.value_and_grad(program.loss)

        def step(carry: Any, batch: Any) -> tuple[Any, None]:
            x, s, alive, _, valid = carry
            loss, g = gradient(x, batch)
            alive = alive & (loss <= limit) & (jnp.abs(loss) < jnp.inf)
            s = jax.tree.map(lambda s, g: gamma * s + (1 - gamma) * g * g, s, g)
            x = jax.tree.map(lambda x, g, s: x - lr * g / (jnp.sqrt(s) + EPS), x, g, s)
            return (x, s, alive, loss, valid + alive), None

        x = program.unravel(start)
        begin = (x, jax.tree.map(jnp.zeros_like, x), jnp.array(True), jnp.zeros_like(limit), jnp.array(0))
        carry: tuple[Any, ...] = lax.scan(step, begin, batches, length=steps)[0]
        return carry

    return run


def _by_seeds(one: Callable[..., Any], seeds: int) -> Callable[..., Any]:  # noqa: ARG001 - as the other one
    """All runs ``[C, S]``: the seeds mapped outside, the configurations inside."""
    inside = jax.vmap(one, in_axes=(0, 0, None, None, None))
    runs: Callable[..., Any] = jax.vmap(inside, in_axes=(None, None, 0, 0, 1), out_axes=1)
    return runs


def _by_configurations(one: Callable[..., Any], seeds: int) -> Callable[..., Any]:
    """All runs ``[C, S]``: the configurations mapped outside; a single seed is no axis at all."""
    if seeds > 1:
        inside = jax.vmap(one, in_axes=(None, None, 0, 0, 1))
    else:

        def inside(lr: Array, gamma: Array, start: Array, limit: Array, batches: Any) -> Any:
            ended = one(lr, gamma, start[0], limit[0], jax.tree.map(lambda part: part[:, 0], batches))
            return jax.tree.map(lambda part: part[None], ended)

    runs: Callable[..., Any] = jax.vmap(inside, in_axes=(0, 0, None, None, None))
    return runs


def _stacked(batches: Sequence[Any]) -> Any:
    """The batches of all steps, each array ``[T, S, ...]``; None where the problem has none."""
    if batches[0] is None:
        return None
    if isinstance(batches[0], Tensor):
        return jnp.asarray(torch.stack(list(batches)).numpy())
    return tuple(jnp.asarray(torch.stack(parts).numpy()) for parts in zip(*batches, strict=True))

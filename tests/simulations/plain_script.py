"""The script that people write instead of `stepscape tune`: Optuna, torch.optim.RMSprop and MLflow, one tracked run at
a time.

    python tests/simulations/plain_script.py airfoil --trials 3

An ordinary one, and no slow one: one thread, data that is in memory and picked by an index (no `DataLoader`, which
takes as long again), Optuna's study in memory with its default sampler, MLflow's SQLite store in a fresh folder, a run
for every configuration and seed with its hyperparameters, the minibatch's loss every ten steps, and at the end the loss
over all data. It knows two ways of tracking: ``batched`` keeps a run's numbers until its end and writes them by one
`log_batch`, which is the cheapest that MLflow's client can do, and ``live`` calls `mlflow.log_metric` in the loop, as
MLflow's own tutorials do. Printed as JSON are the CPU seconds of the start (imports, store, data and the first trial,
which imports more) and, for each way, of a run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    import optuna

STEPS, EVERY = 300, 10
SEEDS = range(1, 9)

Log = Callable[[str, float, int], None]


@dataclass(frozen=True)
class Task:
    """What is trained: the parameters of a seed, the loss of a minibatch, and the loss over all data."""

    model: Callable[[], nn.Module]
    minibatch: Callable[[nn.Module], Tensor]
    whole: Callable[[nn.Module], Tensor]


class Point(nn.Module):
    """A point of the plane, as a model without inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([-5.0, -2.0], dtype=torch.float64))


def bowl() -> Task:
    """x1² + 2 x2², in double precision, with noise of deviation 1 on each entry of the gradient."""
    curvature = torch.tensor([1.0, 2.0], dtype=torch.float64)

    def whole(model: nn.Module) -> Tensor:
        return (curvature * model.x**2).sum()

    return Task(Point, lambda model: whole(model) + (torch.randn(2, dtype=torch.float64) * model.x).sum(), whole)


def airfoil() -> Task:
    """Linear regression on 1,500 rows of 5 features, in batches of 10."""
    from problems.data import airfoil as table

    features, targets, _ = table(None)
    x = torch.tensor(features, dtype=torch.float32)
    y = torch.tensor(targets, dtype=torch.float32).unsqueeze(1)
    return supervised(lambda: nn.Linear(5, 1), lambda out, target: functional.mse_loss(out, target) / 2, x, y, 10)


def digits_mlp() -> Task:
    """A network 64-32-10 with tanh on scikit-learn's digits, in batches of 32."""
    from problems.data import bundled

    table = torch.from_numpy(bundled("digits.csv.gz", ","))
    x, y = (table[:, :-1] / 16).float(), table[:, -1].long()
    network = lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))  # noqa: E731
    return supervised(network, functional.cross_entropy, x, y, 32)


def supervised(
    model: Callable[[], nn.Module], loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, batch: int
) -> Task:
    """A model of inputs ``x`` and targets ``y``; minibatches are rows drawn at random."""

    def minibatch(module: nn.Module) -> Tensor:
        rows = torch.randint(len(x), (batch,))
        return loss(module(x[rows]), y[rows])

    return Task(model, minibatch, lambda module: loss(module(x), y))


TASKS: dict[str, Callable[[], Task]] = {"bowl-noisy": bowl, "airfoil": airfoil, "digits-mlp": digits_mlp}


def train(task: Task, lr: float, gamma: float, seed: int, log: Log, steps: int = STEPS) -> float:
    """The loss over all data at the end of a run; ``log`` is told of the minibatch's on the way."""
    torch.manual_seed(seed)
    model = task.model()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=lr, alpha=gamma)
    for step in range(steps):
        optimizer.zero_grad()
        loss = task.minibatch(model)
        loss.backward()
        optimizer.step()
        if step % EVERY == 0:
            log("loss", loss.item(), step)
    with torch.no_grad():
        final = task.whole(model).item()
    log("final_loss", final, steps)
    return final


@contextmanager
def live(name: str, parameters: dict[str, Any]) -> Iterator[Log]:
    """An MLflow run that is told of every number at once."""
    import mlflow

    with mlflow.start_run(run_name=name):
        mlflow.log_params(parameters)
        yield lambda key, value, step: mlflow.log_metric(key, value, step=step)


@contextmanager
def batched(name: str, parameters: dict[str, Any]) -> Iterator[Log]:
    """An MLflow run that is written in one piece at its end."""
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client, metrics = MlflowClient(), list[Metric]()
    run = client.create_run("0", run_name=name).info.run_id
    yield lambda key, value, step: metrics.append(Metric(key, value, int(time.time() * 1000), step))
    client.log_batch(run, metrics, [Param(key, str(value)) for key, value in parameters.items()])
    client.set_terminated(run)


WAYS = {"batched": batched, "live": live}


def objective(
    task: Task, tracked: Callable[[str, dict[str, Any]], Any], steps: int = STEPS
) -> Callable[[optuna.trial.BaseTrial], float]:
    """What Optuna minimises: the mean over the seeds, each of which is a tracked run."""

    def mean_loss(trial: optuna.trial.BaseTrial) -> float:
        lr = trial.suggest_float("lr", 1e-5, 10.0, log=True)
        gamma = 1 - trial.suggest_float("1 - gamma", 1e-4, 1.0, log=True)
        losses = []
        for seed in SEEDS:
            with tracked(f"trial {trial.number} seed {seed}", {"lr": lr, "gamma": gamma, "seed": seed}) as log:
                losses.append(train(task, lr, gamma, seed, log, steps))
        return sum(losses) / len(losses) if all(loss < float("inf") for loss in losses) else float("inf")

    return mean_loss


def main() -> None:
    """Tune by the plain script, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", choices=TASKS)
    parser.add_argument("--trials", type=int, default=3, help="trials timed of each way, of eight runs (default: 3)")
    asked = parser.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # which would ask the network
    torch.set_num_threads(1)
    import mlflow
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        task = TASKS[asked.problem]()
        study = optuna.create_study()
        for tracked in WAYS.values():
            study.optimize(objective(task, tracked), n_trials=1)
        told: dict[str, Any] = {"start": time.process_time(), "runs": {}}
        for way, tracked in WAYS.items():
            began = time.process_time()
            study.optimize(objective(task, tracked), n_trials=asked.trials)
            told["runs"][way] = (time.process_time() - began) / asked.trials / len(SEEDS)
    print(json.dumps(told))


if __name__ == "__main__":
    main()

"""What tuning costs from end to end, against the script that people write.

Outside the default run (its name is no test_*.py): ``python -m pytest tests/integration/speed_tracked_runs.py
--benchmark-json=cost.json``, whose ``extra_info`` holds both costs and their ratio.

The script asks Optuna for one trial at a time, trains it on one seed at a time with `torch.optim.RMSprop`, and keeps
every run in MLflow: its parameters, 20 values of its loss in one call, the last one. Ours is the command ``stepscape
tune``: 256 trials on 8 seeds, everything else that it does included, the tuned and default settings on fresh seeds, the
record, the mirror and the report. Processes that start anew each time, in CPU seconds of them and their children; of
the script a few runs are timed, and scaled without what comes once. In place of the ellipse there is the bowl with
noise: of a deterministic problem we train one seed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

TRIALS, SEEDS, STEPS = 256, 8, 300
FEW, MANY = 8, 40  # runs of the script that are timed: their difference leaves out what comes once

SCRIPT = """
import sys
import mlflow, optuna, torch
from mlflow.entities import Metric

name, runs, steps, folder, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.ERROR)
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
mlflow.set_experiment("script")

if name == "airfoil":
    from problems.data import airfoil
    X, y = (torch.from_numpy(part).float() for part in airfoil(None)[:2])
elif name == "digits-mlp":
    from problems.data import DIGITS
    data = DIGITS.load()
    X, y = data.inputs, data.labels

class Bowl(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor([-5.0, -2.0]))

    def forward(self):
        noise = torch.randn(2)
        return self.x[0] ** 2 + 2 * self.x[1] ** 2 + noise @ self.x

def model_and_loss():
    if name == "bowl-noisy":
        model = Bowl()
        return model, model, model
    if name == "airfoil":
        model, measure = torch.nn.Linear(5, 1), lambda out, target: ((out[:, 0] - target) ** 2).mean() / 2
    else:
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
        measure = torch.nn.functional.cross_entropy

    def batch_loss():
        rows = torch.randint(len(X), (10 if name == "airfoil" else 64,))
        return measure(model(X[rows]), y[rows])

    return model, batch_loss, lambda: measure(model(X), y)

def trained(lr, gamma, seed):
    torch.manual_seed(seed)
    model, batch_loss, full_loss = model_and_loss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=lr, alpha=gamma)
    with mlflow.start_run() as run:
        mlflow.log_params({"lr": lr, "gamma": gamma, "seed": seed})
        curve = []
        for step in range(steps):
            optimizer.zero_grad()
            loss = batch_loss()
            loss.backward()
            optimizer.step()
            if step % (steps // 20) == 0:
                with torch.no_grad():
                    curve.append(Metric("loss", float(full_loss()), 0, step))
        mlflow.MlflowClient().log_batch(run.info.run_id, metrics=curve)
        mlflow.log_metric("final_loss", curve[-1].value)
    return curve[-1].value

def objective(trial):
    lr, gamma = trial.suggest_float("lr", 1e-4, 1e-1, log=True), 1 - trial.suggest_float("1-gamma", 1e-3, 1, log=True)
    return sum(trained(lr, gamma, seed) for seed in range(seeds)) / seeds

optuna.create_study().optimize(objective, n_trials=runs // seeds)
"""


def cpu_seconds(*command: str | Path) -> float:
    """The CPU seconds of a process and of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("problem", ["digits-mlp", "airfoil", "bowl-noisy"])
def test_2048_tracked_runs(problem: str, benchmark, tmp_path: Path) -> None:
    cost = {}

    def both() -> None:
        (tmp_path / "script").mkdir()
        few, many = (
            cpu_seconds(sys.executable, "-c", SCRIPT, problem, runs, STEPS, tmp_path / "script", SEEDS)
            for runs in (FEW, MANY)
        )
        options = f"--trials {TRIALS} --studies 1 --seeds {SEEDS} --steps {STEPS} --pruner none --out".split()
        command = (sys.executable, "-m", "benchmarks", "tune", problem, "rmsprop", *options, tmp_path / "ours")
        ours = cpu_seconds(*command)
        cost["script"] = few + (many - few) / (MANY - FEW) * (TRIALS * SEEDS - FEW)
        cost["ours"] = ours

    benchmark.pedantic(both, rounds=1)
    benchmark.extra_info |= {**cost, "ratio": cost["script"] / cost["ours"]}

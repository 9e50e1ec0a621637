"""What tuning costs from end to end, against the script that people write: ``pytest tests/integration/speed_tracked_runs.py``.

Outside the default run (its name is no test_*.py). The script asks Optuna for one trial at a time, trains it on one
seed at a time with `torch.optim.RMSprop`, and keeps every run in MLflow: its parameters, 20 values of its loss, the
last one. Ours is the command ``stepscape tune``: 256 trials on 8 seeds, everything else that it does included, the
tuned and default settings on fresh seeds, the record, the mirror and the report. Processes that start anew each time,
in CPU seconds of them and their children; of the script a few runs are timed, beyond its start, and scaled. In place of
the ellipse there is the bowl with noise: of a deterministic problem we train one seed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

TRIALS, SEEDS, STEPS, SCRIPT_RUNS = 256, 8, 300, 24

SCRIPT = """
import sys
import mlflow, optuna, torch
from problems import BUILTIN

name, runs, steps, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.ERROR)
problem = next(spec for spec in BUILTIN if spec.name == name).build()
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
mlflow.set_experiment("script")

def trained(lr, gamma, seed):
    x = problem.start([seed])[0].to(problem.dtype).requires_grad_()
    optimizer = torch.optim.RMSprop([x], lr=lr, alpha=gamma)
    batches = iter(problem.batches([seed], steps))
    with mlflow.start_run():
        mlflow.log_params({"lr": lr, "gamma": gamma, "seed": seed})
        curve = []
        for step in range(steps):
            optimizer.zero_grad()
            loss = problem.loss(x[None], next(batches, None))[0]
            loss.backward()
            optimizer.step()
            if step % (steps // 20) == 0:
                curve.append(mlflow.entities.Metric("loss", float(loss), 0, step))
        final = float(problem.evaluate(x.detach()[None])["loss"][0])
        mlflow.MlflowClient().log_batch(mlflow.active_run().info.run_id, metrics=curve)
        mlflow.log_metric("final_loss", final)
    return final

def objective(trial):
    lr, gamma = trial.suggest_float("lr", 1e-4, 1e-1, log=True), 1 - trial.suggest_float("1-gamma", 1e-3, 1, log=True)
    return min(sum(trained(lr, gamma, seed) for seed in range(seeds)) / seeds, 1e9)

seeds = 8
if runs:
    optuna.create_study().optimize(objective, n_trials=runs // seeds)
"""


def cpu_seconds(*command: str | Path) -> float:
    """The CPU seconds of a process and of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("problem", ["bowl-noisy", "airfoil", "digits-mlp"])
def test_2048_tracked_runs(problem: str, benchmark, tmp_path: Path) -> None:
    cost = {}

    def both() -> None:
        (tmp_path / "script").mkdir()
        started, ran = (
            cpu_seconds(sys.executable, "-c", SCRIPT, problem, runs, STEPS, tmp_path / "script")
            for runs in ("0", str(SCRIPT_RUNS))
        )
        tune = (
            "tune",
            problem,
            "rmsprop",
            "--trials",
            TRIALS,
            "--studies",
            1,
            "--seeds",
            SEEDS,
            "--steps",
            STEPS,
            "--pruner",
            "none",
        )
        ours = cpu_seconds(sys.executable, "-m", "benchmarks", *map(str, tune), "--out", tmp_path / "ours")
        cost["script"] = started + (ran - started) / SCRIPT_RUNS * TRIALS * SEEDS
        cost["ours"] = ours

    benchmark.pedantic(both, rounds=1)
    benchmark.extra_info |= {**cost, "ratio": cost["script"] / cost["ours"]}
    print(
        f"\n{problem}: script {cost['script']:.0f}, ours {cost['ours']:.1f} CPU s, {cost['script'] / cost['ours']:.0f}"
    )

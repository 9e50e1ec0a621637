"""The scripts that compare a study with the plain script: what they train and write; nothing is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
import plain_script
import pytest
import torch
import tracked_page
from click.testing import CliRunner

from benchmarks.cli.main import cli


@pytest.mark.parametrize("problem", ["bowl-noisy", "airfoil"])
def test_the_plain_script_trains_what_the_suite_trains(problem: str) -> None:
    from benchmarks import make_problem

    ours, task = make_problem(problem), plain_script.TASKS[problem]()
    with torch.random.fork_rng(devices=[]):
        model = task.model()
    flat = torch.cat([part.detach().flatten() for part in model.parameters()]).to(ours.dtype)
    assert float(ours.evaluate(flat)["loss"]) == pytest.approx(task.whole(model).item(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["bowl-noisy", "airfoil", "digits-mlp"])
def test_a_plain_run_tells_its_loss_every_ten_steps_and_at_the_end(problem: str) -> None:
    told = []
    with torch.random.fork_rng(devices=[]):
        task = plain_script.TASKS[problem]()
        final = plain_script.train(task, 0.01, 0.9, 1, lambda *row: told.append(row), steps=40)
    assert [(name, step) for name, _, step in told] == [*(("loss", s) for s in range(0, 40, 10)), ("final_loss", 40)]
    assert final == told[-1][1] < told[0][1]


def test_every_configuration_and_seed_is_a_tracked_run_with_its_hyperparameters() -> None:
    runs = []

    @contextmanager
    def tracked(name: str, parameters: dict[str, float]) -> Iterator[Callable[..., None]]:
        runs.append(parameters)
        yield lambda *_: None

    trial = optuna.trial.FixedTrial({"lr": 0.01, "1 - gamma": 0.1})
    with torch.random.fork_rng(devices=[]):
        mean = plain_script.objective(plain_script.bowl(), tracked, steps=2)(trial)
    assert runs == [{"lr": 0.01, "gamma": 0.9, "seed": seed} for seed in range(1, 9)]
    assert 0 < mean < 33  # the loss at the start


def test_the_command_compared_makes_as_many_runs_as_are_counted() -> None:
    arguments = tracked_page.command("airfoil", "none", "nowhere")
    assert arguments[1:3] == ["-m", "benchmarks"]
    options = dict(zip(arguments[6::2], arguments[7::2], strict=True))
    assert int(options["--trials"]) * int(options["--seeds"]) * int(options["--studies"]) == tracked_page.RUNS == 2048
    assert CliRunner().invoke(cli, [*arguments[3:], "--help"]).exit_code == 0


def test_a_row_has_the_medians_of_its_rounds() -> None:
    rounds = [
        tracked_page.Round("airfoil", 10, {"batched": 0.1, "live": 0.3}, {"to the end": seconds, "pruned": seconds / 2})
        for seconds in (5.0, 4.0, 50.0)
    ]
    row = tracked_page.table_of(rounds).splitlines()[-1]
    assert row == "| airfoil | 100 ms | 215 s | 624 s | 5.0 s | 43x | 125x | 2.5 s | 86x | 250x |"


def test_the_page_has_the_marks_of_the_table() -> None:
    tracked_page.between_marks(tracked_page.PAGE.read_text(encoding="utf-8"), tracked_page.NAME, "")

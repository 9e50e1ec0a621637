from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.record.cell_info import StudyInfo, WinnerInfo
from analysis.record.cells import Cell
from benchmarks.mlflow_mirror.runs import CURVE, MirroredRun, cell_run, setting_runs, trial_runs, trials_table


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory, builder) -> Cell:
    return builder.cell(tmp_path_factory.mktemp("cells") / "toy--rmsprop", "rmsprop", 1)


def points(run: MirroredRun) -> dict[str, list[tuple[int, float]]]:
    found = defaultdict(list)
    for key, value, step in run.points:
        found[key].append((step, value))
    return dict(found)


def test_a_cell_is_named_by_its_optimizer_and_problem(cell):
    assert cell_run(cell).name == "rmsprop on toy"


def test_a_schedule_is_part_of_the_name_unless_constant(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd--cosine", "sgd", 0, schedule="cosine")
    assert cell_run(cell).name == "sgd on toy · cosine"


def test_the_best_objective_never_rises_and_starts_with_the_first_finite_trial(cell):
    best = points(cell_run(cell))["best_objective"]
    assert [value for _, value in best] == sorted((value for _, value in best), reverse=True)
    assert best[-1] == (len(cell.trials) - 1, cell.trials["objective"].min())
    assert best[0][0] == int(np.isfinite(cell.trials["objective"]).argmax())


def test_the_best_objective_goes_on_after_a_pruned_trial(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd", "sgd", 0)
    told = [np.nan, 3.0, np.nan, 2.0, np.inf, 1.0, *[np.nan] * 4]
    cell.trials.assign(objective=told).to_parquet(cell.path / "trials.parquet")
    best = points(cell_run(Cell.load(cell.path)))["best_objective"]
    assert best == [(1, 3.0), (2, 3.0), (3, 2.0), (4, 2.0), *((trial, 1.0) for trial in range(5, 10))]


def test_results_are_medians_over_test_seeds_and_gaps_are_above_the_floor(cell):
    found = points(cell_run(cell))
    runs = cell.runs[cell.runs["setting"] == "tuned"]
    assert found["result/loss_tuned"] == [(0, pytest.approx(runs["final_loss"].median(), rel=1e-4))]
    assert found["result/gap_tuned"] == [(0, pytest.approx(runs["final_loss"].median() - 0.25, rel=1e-4))]
    assert cell_run(cell).params["runs.tuned"] == "3"
    assert cell_run(cell).params["runs.tuned_diverged"] == "0"


def test_a_cells_run_has_the_curves_of_its_settings_with_the_middle_of_their_runs(studies):
    found = points(cell_run(studies))
    tuned = studies.curves[studies.curves["setting"] == "tuned"]
    typical = tuned.groupby(["study", "step", "seed"])["loss"].median().groupby(["study", "step"]).median()
    gaps = typical.groupby("step").median() - 0.25
    assert [step for step, _ in found["gap/tuned"]] == [0, 10, 20, 30, 40]
    assert [value for _, value in found["gap/tuned"]] == pytest.approx(list(gaps), rel=1e-4)
    for (_, low), (_, middle), (_, high) in zip(
        found["gap/tuned_low"], found["gap/tuned"], found["gap/tuned_high"], strict=True
    ):
        assert low <= middle <= high
    assert found["gap/default"][-1][1] == found["result/gap_default"][0][1]
    assert [step for step, _ in found["metrics/accuracy_tuned"]] == [0, 10, 20, 30, 40]
    low, value, high = (found[f"result/gap_tuned{end}"][0][1] for end in ("_low", "", "_high"))
    assert low <= value <= high
    assert low < high
    assert found["result/log10_gap_tuned"] == [(0, pytest.approx(math.log10(value), rel=1e-4))]


def test_comparisons_open_with_the_logarithm_of_the_tuned_gap_and_cells_stand_in_the_suites_order(cell):
    run = cell_run(cell)
    assert run.points[0][0] == "log10_gap/tuned"
    found = points(run)
    for setting in ("tuned", "default"):
        expected = [(step, pytest.approx(math.log10(gap), abs=1e-4)) for step, gap in found[f"gap/{setting}"]]
        assert found[f"log10_gap/{setting}"] == expected
    assert run.tags["order"] == f"{cell.info.position:05}"


def test_the_curves_come_first_among_charts_and_no_chart_is_of_zeros(cell):
    found = points(cell_run(cell))
    sections = sorted({name.partition("/")[0] for name in found if "/" in name})
    assert sections[0] == "gap"
    assert [name for name, line in found.items() if all(value == 0 for _, value in line)] == []


def test_every_optimizer_has_its_rate_and_memory_under_the_same_first_names(cell):
    run, best = cell_run(cell), cell.info.winner.hyperparameters
    assert run.params["lr"] == f"{best['lr']:.9g}"
    assert run.params["memory"] == f"{best['gamma']:.9g}"
    assert run.params["log10_one_minus_memory"] == f"{math.log10(1 - best['gamma']):.4f}"
    changing = [name for name in run.params if name not in cell.info.protocol.to_json()]
    assert sorted(changing)[:4] == ["log10_lr", "log10_one_minus_memory", "lr", "memory"]
    for child in [*setting_runs(cell), *trial_runs(cell, 3)]:
        assert child.params["memory"] == child.params["gamma"]


def test_a_rule_without_a_memory_has_only_a_rate(tmp_path, builder):
    params = cell_run(builder.cell(tmp_path / "toy--sgd", "sgd", 0)).params
    assert "log10_lr" in params
    assert "memory" not in params


def test_a_cells_dataset_is_its_problem_with_the_fingerprint(cell):
    dataset = cell_run(cell).dataset
    assert (dataset.name, dataset.digest) == ("toy", "f00dcafef00dcafe")
    assert json.loads(dataset.profile)["tags"] == ["convex", "stochastic"]


def test_no_metric_is_infinite_where_runs_diverged(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd", "sgd", 0, rates=[4.0, 0.5, 9.0, 5.0])
    runs = [cell_run(cell), *setting_runs(cell), *trial_runs(cell, "all")]
    values = [value for run in runs for _, value, _ in run.points]
    assert len(runs) == 7
    assert all(math.isfinite(value) for value in values)
    assert max(values) < 1e6


def test_a_diverged_trial_keeps_its_curve_up_to_the_divergence_and_says_so(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd", "sgd", 0, rates=[9.0, 0.5])
    diverged = trial_runs(cell, "all")[-1]
    assert "objective" not in points(diverged)
    assert [step for step, _ in points(diverged)["train/loss"]] == [0, 10, 20]
    assert (diverged.tags["state"], diverged.tags["diverged"]) == ("diverged", "2")


def test_the_run_of_a_cell_is_tagged_with_the_instance_and_with_the_code(tmp_path, builder):
    plan = cell_run(builder.cell(tmp_path / "toy--sgd", "sgd", 0, rates=[0.5, 0.4]))
    assert plan.tags["fingerprint"] == "f00dcafef00dcafe"
    assert plan.tags["optimizer_fingerprint"] == "c0dec0dec0dec0de"


def test_a_cell_whose_every_trial_diverged_has_no_winner_and_says_so(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd", "sgd", 0, rates=[4.0, 9.0])
    run = cell_run(cell)
    assert run.tags["at_edge"] == "no winner"
    assert "Every trial diverged" in run.tags["mlflow.note.content"]
    assert not [key for key in run.params if key.startswith("settings.tuned.")]
    assert [child.tags["setting"] for child in setting_runs(cell)] == ["default"]
    assert trial_runs(cell, 12) == []


def test_a_winner_at_the_edge_of_its_range_is_flagged(tmp_path, builder):
    winner = WinnerInfo(0, 0.3, {"lr": 10.0}, at_edge=("lr",))
    studies = (StudyInfo(0, (1, 2), 10, widened=0, winner=winner),)
    run = cell_run(builder.cell(tmp_path / "toy--sgd", "sgd", 0, studies=studies))
    assert run.tags["at_edge"] == "lr"
    assert "at the edge of its range: lr" in run.tags["mlflow.note.content"]


def test_a_cell_that_was_not_tuned_has_its_defaults_only(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd", "sgd", 0, rates=[4.0])
    pd.read_parquet(cell.path / "trials.parquet").head(0).to_parquet(cell.path / "trials.parquet")
    cell = Cell.load(cell.path)
    note = cell_run(cell).tags["mlflow.note.content"]
    assert "Nothing was tuned" in note
    assert "Tuned by" not in note
    assert trial_runs(cell, 12) == []
    assert trials_table(cell).empty


def test_children_are_the_best_trials_with_the_best_first(cell):
    objectives = [points(run)["objective"][0][1] for run in trial_runs(cell, 4)]
    assert objectives == sorted(cell.trials["objective"])[:4]


@pytest.mark.parametrize(("children", "count"), [("none", 0), (3, 3), (12, 8), ("all", 10)])
def test_a_number_of_children_takes_finite_trials_only_and_all_takes_every_one(cell, children, count):
    assert len(trial_runs(cell, children)) == count


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, builder) -> Cell:
    """A cell of three studies."""
    return replace(builder, studies=3).cell(tmp_path_factory.mktemp("studies") / "toy--rmsprop", "rmsprop", 1)


def test_children_come_from_all_studies_and_say_of_which_they_are(studies):
    runs = trial_runs(studies, "all")
    assert [sum(run.tags["study"] == str(number) for run in runs) for number in (1, 2, 3)] == [10, 10, 10]
    assert {(run.tags["study"], run.tags["seeds"]) for run in runs} == {
        ("1", "1, 2"), ("2", "10001, 10002"), ("3", "20001, 20002"),
    }  # fmt: skip
    objectives = [points(run)["objective"][0][1] for run in trial_runs(studies, 5)]
    assert objectives == sorted(studies.trials["objective"])[:5]
    for run in runs:
        study, trial = int(run.tags["study"]) - 1, int(run.tags["trial_number"])
        of = studies.curves[(studies.curves["study"] == study) & (studies.curves["trial"] == trial)]
        assert run.name.startswith(f"study {study + 1}, trial {trial}: lr ")
        assert points(run)["train/loss"] == list(of.groupby("step")["loss"].median().dropna().items())


def test_a_cell_of_several_studies_shows_their_median_and_its_best_winner(studies):
    run, best = cell_run(studies), studies.info.best_study
    found = points(run)
    tuned = studies.runs[studies.runs["setting"] == "tuned"]
    typical = tuned.groupby("study")["final_loss"].median().median()
    assert found["result/loss_tuned"] == [(0, pytest.approx(typical, rel=1e-4))]
    assert run.params["runs.tuned"] == "9"
    assert run.params["runs.default"] == "3"
    told = studies.trials.pivot_table(index="trial", columns="study", values="objective").cummin().ffill()
    assert found["best_objective"][-1] == (9, pytest.approx(told.iloc[-1].median()))
    assert run.params["settings.tuned.lr"] == f"{best.winner.hyperparameters['lr']:.9g}"
    assert "Tuned by 3 independent studies of 10 trials" in run.tags["mlflow.note.content"]
    assert f"Trial {best.winner.trial} of study {best.study + 1}" in run.tags["mlflow.note.content"]
    assert [len(points(child)["train/loss"]) for child in setting_runs(studies)] == [5, 5]
    assert setting_runs(studies)[0].name.startswith("tuned on test seeds: best of 3 studies at lr ")


def test_a_trial_says_its_values_their_logarithms_and_its_curve(cell):
    best = trial_runs(cell, 1)[0]
    row = cell.trials.loc[cell.trials["objective"].idxmin()]
    assert best.params["log10_lr"] == f"{math.log10(row['lr']):.4f}"
    assert best.params["log10_one_minus_gamma"] == f"{math.log10(1 - row['gamma']):.4f}"
    assert float(best.params["lr"]) == pytest.approx(row["lr"], rel=1e-8)
    assert best.name.startswith(f"trial {row['trial']}: lr ")
    curves = cell.curves[cell.curves["trial"] == row["trial"]]
    assert points(best)["train/loss"] == list(curves.groupby("step")["loss"].median().items())


def test_a_memory_of_one_has_no_logarithm(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--rmsprop", "rmsprop", 0, defaults={"lr": 0.1, "gamma": 1.0})
    default = setting_runs(cell)[-1]
    assert default.params["gamma"] == "1"
    assert "log10_one_minus_gamma" not in default.params


def test_a_metric_that_one_seed_lacks_is_not_averaged_over_the_others(tmp_path, builder):
    cell = builder.cell(tmp_path / "toy--sgd", "sgd", 0, rates=[0.5])
    curves = pd.read_parquet(cell.path / "curves.parquet")
    curves.loc[(curves["setting"] == "tuned") & (curves["seed"] == 1001) & (curves["step"] > 10), "accuracy"] = np.nan
    curves.to_parquet(cell.path / "curves.parquet")
    found = points(setting_runs(Cell.load(cell.path))[0])
    assert [step for step, _ in found["train/accuracy"]] == [0, 10]
    assert len(found["train/loss"]) == 5


def test_long_curves_are_thinned_and_keep_both_ends(tmp_path, builder):
    cell = replace(builder, evaluations=3 * CURVE).cell(tmp_path / "toy--sgd", "sgd", 0, rates=[0.001])
    steps = [step for step, _ in points(trial_runs(cell, 1)[0])["train/loss"]]
    assert len(steps) == CURVE
    assert (steps[0], steps[-1]) == (0, (3 * CURVE - 1) * 10)


def test_every_run_carries_the_tags_that_charts_group_by(cell):
    for run in [cell_run(cell), *setting_runs(cell), *trial_runs(cell, 12)]:
        assert run.tags["problem"] == "toy"
        assert run.tags["optimizer"] == "rmsprop"
        assert run.tags["suite"] == "toy"


def test_the_table_of_trials_is_sorted_and_free_of_infinities(cell):
    table = trials_table(cell)
    assert list(table.columns[:6]) == ["study", "trial", "state", "objective", "lr", "gamma"]
    assert len(table) == len(cell.trials)
    assert not np.isinf(table.select_dtypes("number")).any(axis=None)
    assert table["objective"].dropna().is_monotonic_increasing

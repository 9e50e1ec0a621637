"""The results table, its plain text, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.results import CellResult, table_rows
from analysis.pages.results_text import results_text
from analysis.pages.sentences import problem_reading
from analysis.problem_results import ProblemResults, results_table
from analysis.record.cells import Cell, Record
from analysis.words import listing, times

WON = {"trial": 0, "objective": 0.1, "hyperparameters": {"lr": 0.1}, "at_edge": ["lr"]}
STUDY = {"study": 0, "tuning_seeds": [0, 1], "trials": 12, "widened": 0}


def one_cell(cell: Cell) -> tuple[dict[str, object], CellResult]:
    """The row of the results table of a cell alone, and its result."""
    return table_rows(results_table([cell]))[0], ProblemResults.of([cell]).cells[0]


def reading_of(*cells: Cell) -> list[str]:
    return problem_reading(ProblemResults.of(cells))


def lose(seeds: list[int], setting: str = "tuned") -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A change of the runs' table that lets ``seeds`` diverge in a setting."""

    def change(runs: pd.DataFrame) -> pd.DataFrame:
        lost = (runs["setting"] == setting) & runs["seed"].isin(seeds)
        return runs.assign(status=runs["status"].mask(lost, "diverged"), final_loss=runs["final_loss"].mask(lost))

    return change


def test_the_table_has_one_row_a_cell_in_the_suites_order(record: Record) -> None:
    table = results_table(record)
    assert list(table["problem"]) == ["ellipse"] * 3 + ["noisy"] * 3 + ["classes"] * 3
    assert list(table["optimizer"][:3]) == ["sgd", "momentum", "rmsprop"]


def test_a_row_holds_the_median_gap_of_the_test_runs_inside_its_interval(record: Record) -> None:
    row = table_rows(results_table(record))[3]
    runs = record.cells[3].runs
    tuned = runs[runs["setting"] == "tuned"]["final_loss"] - 0.25
    assert row["tuned"] == pytest.approx(tuned.median())
    assert tuned.min() <= row["tuned_low"] <= row["tuned"] <= row["tuned_high"] <= tuned.max()
    assert (row["tuned_n"], row["default_n"], row["measure"], row["exact"]) == (5, 5, "gap", False)


def test_a_deterministic_problem_says_exact_instead_of_an_interval(record: Record) -> None:
    row = table_rows(results_table(record))[0]
    assert row["tuned_n"] == 1
    assert ProblemResults.of(record.of_problem("ellipse")).cells[0].text("default").endswith("exact")
    assert "exact" not in ProblemResults.of(record.of_problem("ellipse")).cells[0].text("tuned")  # luck of the search


def test_a_problem_without_a_floor_is_compared_by_its_loss(record: Record) -> None:
    row = table_rows(results_table(record))[-1]
    assert row["measure"] == "loss"
    assert np.isnan(row["tuned_steps"])


def test_every_problem_has_a_best_row_with_the_lowest_median(record: Record) -> None:
    for _, group in results_table(record).groupby("problem"):
        assert group["tuned"].idxmin() in group.index[group["best"]]


def test_of_negative_losses_the_lowest_alone_is_the_best_and_is_shown(edited_cell: Callable[..., Cell]) -> None:
    def lowered(by: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda runs: runs.assign(**{name: runs[name] - by for name in ("final_loss", "best_loss")})

    def curves(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(loss=frame["loss"] - 9)

    cells = (
        edited_cell(2, "sgd", runs=lowered(5), curves=curves),
        edited_cell(2, "rmsprop", runs=lowered(7), curves=curves),
    )
    rows, found = table_rows(results_table(cells)), ProblemResults.of(cells)
    assert [row["best"] for row in rows] == [False, True]
    assert found.cells[0].text("tuned").startswith("-")
    assert "rmsprop ends lowest: loss -" in problem_reading(found)[0]


def test_an_optimizer_that_the_paired_test_does_not_tell_from_the_best_says_so(builder: Any, tmp_path: Path) -> None:
    cells = Record.load(replace(builder, seeds=10).record(tmp_path / "wide")).of_problem("noisy")
    same, other = (np.random.default_rng(seed).normal(0, 0.1, 10) for seed in (3, 4))
    for cell, gaps in zip(cells, (0.3 * 10**same, 0.6 * 10**same, 0.3 * 10**other), strict=True):
        runs = cell.runs
        runs.loc[runs["setting"] == "tuned", "final_loss"] = 0.25 + gaps
        runs.to_parquet(cell.path / "runs.parquet")
    table = results_table(cells)
    (best,) = table[table["best"]]["label"]
    (tied,) = table[table["tied"]]["label"]
    assert {best, tied} == {"sgd", "rmsprop"}  # momentum ends twice as high on every seed
    said = reading_of(*cells)[0]
    assert said.endswith(f"but {tied} is not told apart from it.")
    marks = {line.split()[1]: line[0] for line in results_text(cells).splitlines() if line[:1] in ("*", "~")}
    assert marks[best] == "*"
    assert marks[tied] == "~"


def test_too_few_seeds_tell_nobody_apart_and_the_reading_says_how_many_would(record: Record) -> None:
    table = results_table(record)
    rows = [row for row in table_rows(table) if row["problem"] == "noisy"]
    assert all(row["best"] or row["tied"] for row in rows)
    assert "not told apart from it: that takes 7 test seeds." in reading_of(*record.of_problem("noisy"))[0]


def test_nobody_is_best_where_the_budgets_are_unequal_and_the_reason_is_said(
    edited_cell: Callable[..., Cell],
) -> None:
    cells = (edited_cell(1, "sgd"), edited_cell(1, "momentum", {"protocol": {"trials": 99}}))
    table = results_table(cells)
    assert not table["best"].any()
    reason = "the budgets on noisy are unequal: trials is 12, but noisy--momentum has 99"
    assert set(table["unequal"]) == {reason}
    assert reading_of(*cells)[0] == f"No optimizer is named the best, for {reason}."
    assert f"No best where {reason}." in results_text(cells, 200)


def test_diverged_seeds_are_counted_and_never_averaged(edited_cell: Callable[..., Cell]) -> None:
    row, result = one_cell(edited_cell(1, "sgd", runs=lose([100, 101])))
    assert row["tuned_diverged"] == 2
    assert np.isfinite(row["tuned"])
    assert row["tuned_high"] == np.inf
    assert "(2 of 5 diverged)" in result.text("tuned")


def test_a_cell_whose_test_runs_all_diverged_says_so_and_is_not_the_best(edited_cell: Callable[..., Cell]) -> None:
    row, result = one_cell(edited_cell(1, "sgd", runs=lose(list(range(100, 105)))))
    assert (row["tuned"], row["best"]) == (np.inf, False)
    assert result.text("tuned") == "all diverged"


def test_a_cell_without_a_winner_was_not_run_tuned(edited_cell: Callable[..., Cell]) -> None:
    def untuned(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["setting"] != "tuned"]

    cell = edited_cell(1, "sgd", {"studies": [{**STUDY, "winner": None}]}, runs=untuned, curves=untuned)
    row, result = one_cell(cell)
    assert (row["tuned_n"], row["hyperparameters"], row["best"]) == (0, "", False)
    assert np.isnan(row["tuned"])
    assert result.tuned is None
    assert result.text("tuned") == "not run"
    assert "!" not in results_text([cell])
    assert np.isfinite(row["default"])


def test_what_was_never_tuned_is_not_said_to_have_diverged(edited_cell: Callable[..., Cell]) -> None:
    def untuned(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["setting"] != "tuned"]

    tables = {"runs": untuned, "curves": untuned}
    searched = edited_cell(1, "sgd", {"studies": [{**STUDY, "winner": None}]}, **tables)
    mapped = edited_cell(1, "sgd", {"studies": [], "protocol": {"studies": 0, "trials": 0}}, **tables)
    assert "every trial diverged" in results_text([searched])
    text = results_text([mapped])
    assert "not tuned" in text
    assert "diverged" not in text
    assert "lowest median" not in text  # nothing is marked
    assert "5 fresh test seeds" in text  # of the default setting
    assert reading_of(mapped) == ["Nothing was tuned here: the landscape says which settings work."]


def test_one_test_seed_has_no_interval(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", runs=lambda runs: runs[runs["seed"] == 100])
    assert "[" not in one_cell(cell)[1].text("tuned")
    assert "one fresh test seed, without an interval" in results_text([cell])


def test_names_too_long_for_the_text_leave_its_numbers_whole(record: Record) -> None:
    infos = [replace(cell.info, schedule="lr=" + 60 * "x") for cell in record]
    cells = [replace(cell, info=info) for cell, info in zip(record, infos, strict=True)]
    text = results_text(cells, 100)
    assert max(map(len, text.splitlines())) <= 100
    for problem in record.problems:
        for result in ProblemResults.of(record.of_problem(problem)).cells:
            assert result.text("tuned") in text
            assert result.text("default") in text


def test_gaps_that_rounding_hides_are_given_as_a_bound_and_share_the_first_place(
    edited_cell: Callable[..., Cell],
) -> None:
    def ended(gap: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda runs: runs.assign(final_loss=gap)

    gaps = {"sgd": 0.0, "momentum": 1e-30, "rmsprop": 1.0}
    found = ProblemResults.of([edited_cell(0, name, runs=ended(gap)) for name, gap in gaps.items()])
    assert found.cells[0].text("tuned") == "<1e-15"
    assert [cell.label for cell in found.best] == ["sgd", "momentum"]
    assert problem_reading(found)[0].startswith("sgd and momentum both reach the floor within rounding (gap to the")


def test_steps_to_the_target_are_the_median_and_infinite_where_most_seeds_never_reach_it(record: Record) -> None:
    table = results_table(record).set_index(["problem", "optimizer"])
    assert table.loc[("ellipse", "sgd"), "default_steps"] == np.inf
    reached = table["tuned_steps"][np.isfinite(table["tuned_steps"])]
    assert len(reached)
    assert set(reached) <= set(range(4, 41, 4))


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_text_keeps_its_width_groups_by_problem_and_marks_the_best(record: Record, width: int) -> None:
    text = results_text(record, width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if "start" in line][1].startswith("noisy (gap to the floor")
    assert sum(line.startswith("* ") for line in lines) >= 4
    assert "5 fresh test seeds" in text
    settings = results_table(record)["hyperparameters"].str.split(", ").explode()
    assert all(value in text for value in settings)  # wrapped, never cut


def test_the_columns_of_the_text_are_aligned(record: Record) -> None:
    lines = results_text(record, 120).splitlines()
    column = lines[0].index("default")
    rows = [line for line in lines[1:] if line[:3].strip(" *~") == "" and line[3:4].strip() and ", tuned: " not in line]
    assert len(rows) == 9
    assert all(line[column - 1] == " " and line[column] != " " for line in rows)


def test_a_winner_at_the_edge_is_flagged_in_the_text(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", {"studies": [{**STUDY, "winner": WON}]})
    text = results_text([cell])
    [setting] = [line for line in text.splitlines() if "sgd" in line]
    assert setting.endswith("!")
    assert "at the edge of its search range" in text


def test_only_the_value_at_the_edge_is_flagged(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(
        0, "rmsprop", {"studies": [{**STUDY, "winner": {**WON, "hyperparameters": {"lr": 0.1, "gamma": 0.9}}}]}
    )
    text = results_text([cell], 200)
    assert len(re.findall(r"lr [^ ,!]+!, gamma [^ ,!]+$", text, re.MULTILINE)) == 1


@pytest.mark.parametrize(("ratio", "said"), [(1.44, "1.4 times"), (30.4, "30 times"), (3e7, "over a million times")])
def test_ratios_are_said_as_people_say_them(ratio: float, said: str) -> None:
    assert times(ratio) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5, 0.1, 0.6, 0.9], "no rate of the grid above the best one diverges."),
        ([0.5, 0.1, 0.6, np.inf], "100 times its best rate, runs diverge."),
        ([0.5, 0.1, 2.0, 3.0], "on, runs end above their start; none of the grid diverges."),
        (
            [0.5, 0.1, 2.0, np.inf],
            "from 10 times its best rate on, runs end above their start; at 100 times they diverge.",
        ),
    ],
)
def test_what_ends_the_useful_rates_is_said(edited_cell: Callable[..., Cell], values: list[float], said: str) -> None:
    def mapped(frame: pd.DataFrame) -> pd.DataFrame:
        """Gaps by learning rate, of runs that begin at a gap of 1; inf diverged."""
        losses = 0.25 + np.array(values)
        return frame.iloc[: len(values)].assign(
            lr=np.geomspace(0.01, 10, 4),
            seed=10,
            start_loss=1.25,
            final_loss=np.where(np.isinf(losses), np.nan, losses),
            status=np.where(np.isinf(losses), "diverged", "finished"),
        )

    cell = edited_cell(1, "sgd", {"problem": {"start_loss": 1.25}}, landscape=mapped)
    assert reading_of(cell)[1].endswith(said)


def test_lists_read_as_sentences_do() -> None:
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"


def test_a_reading_names_the_best_optimizer_its_margin_and_the_cost_of_the_defaults(record: Record) -> None:
    rows = [row for row in table_rows(results_table(record)) if row["problem"] == "noisy"]
    said = " ".join(reading_of(*record.of_problem("noisy")))
    best = next(row["label"] for row in rows if row["best"])
    assert f"{best} ends lowest" in said
    assert "5 test seeds" in said
    assert re.search(r"may move(, with \w+ at its best for each rate,)? (from [\d.]+ to [\d.]+|by less than)", said)
    assert "defaults" in said


def test_a_reading_says_which_runs_diverged_and_which_winners_lie_at_an_edge(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", {"studies": [{**STUDY, "winner": WON}]}, runs=lose([100]))
    assert one_cell(cell)[0]["at_edge"] == "lr"
    said = " ".join(reading_of(cell))
    assert "Diverged: 1 of 5 tuned runs of sgd." in said
    assert "at the edge of the search range for sgd (lr)" in said


def test_a_reading_of_a_problem_that_nothing_survived_says_so(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", runs=lose(list(range(100, 105))))
    assert "No tuned setting" in reading_of(cell)[0]


def test_a_reading_puts_defaults_that_diverge_before_those_that_cost(
    record: Record, edited_cell: Callable[..., Cell]
) -> None:
    _, momentum, rmsprop = record.of_problem("noisy")
    lost = edited_cell(1, "sgd", runs=lose(list(range(100, 105)), "default"))
    said = " ".join(reading_of(lost, momentum, rmsprop))
    assert "At the default setting, sgd diverges; of the others, staying there costs most with rmsprop" in said
    assert "5 of 5 default runs of sgd" in said

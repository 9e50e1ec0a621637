"""A report opens with the answer: a sentence, and every result in one table whose fields lead to their problem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures.overview import Ratios, worse_than_best
from analysis.measures.ranking import Ranking
from analysis.pages.verdict import by_spread, verdict_of, verdict_sentence
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Record
from analysis.statistics.bootstrap import Estimate


def ranking_of(record: Record, p_value: float, ranks: tuple[float, ...] = (3.0, 1.0, 2.0)) -> Ranking:
    labels = ("sgd", "momentum", "rmsprop")
    return Ranking(labels, tuple(Estimate(rank, rank, rank, 5) for rank in ranks), p_value, 1.5, (), 3)


def ratios_of(shares: list[list[float]], tied: list[list[int]] | None = None) -> Ratios:
    made = np.array(shares)
    problems, labels = tuple("pqrs"[: made.shape[0]]), tuple(f"o{i}" for i in range(made.shape[1]))
    mask = np.zeros(made.shape, dtype=bool) if tied is None else np.array(tied, dtype=bool)
    return Ratios(problems, labels, np.where(made == 1, 1.0, 2.0), made, mask)


def test_the_verdict_names_a_winner_only_where_ranks_are_told_apart(record: Record) -> None:
    results = list(results_of(record).values())
    decided = verdict_sentence(results, ranking_of(record, 0.01))
    assert decided == "momentum ranks best over 3 problems (mean rank 1 of 3), significantly before sgd."
    open_ = verdict_sentence(results, ranking_of(record, 0.6))
    assert open_.startswith("Nobody is told apart as the best: ")
    assert open_.endswith("momentum has the best mean rank 1 of 3, and 3 problems do not tell the 3 apart.")


def test_the_verdict_on_one_problem_says_who_is_not_told_apart(record: Record) -> None:
    one = ProblemResults.of(record.of_problem("noisy"))
    said = verdict_sentence([one], None)
    assert one.best[0].label in said
    assert ("not told apart" in said or "Nobody is told apart" in said) == bool(one.tied)


def test_problems_on_which_all_are_tied_come_last() -> None:
    ratios = ratios_of([[1.0, 0.9, 0.2], [1.0, 0.1, 0.2], [1.0, 0.9, 0.9]], [[0, 1, 1], [0, 0, 0], [0, 0, 0]])
    assert by_spread(ratios) == ["q", "r", "p"]


def test_every_field_of_the_table_leads_to_its_problem_and_says_what_it_shows(record: Record) -> None:
    results = results_of(record)
    ratios = worse_than_best(results.values())
    anchors = {problem: f"at-{problem}" for problem in results}
    verdict = verdict_of(record, results, ratios, None, anchors)
    assert {name for name, *_ in verdict.columns} == {"sgd", "momentum", "rmsprop"}
    assert sorted(verdict.order) == sorted(row.name for row in verdict.rows) == sorted(results)
    for row in verdict.rows:
        assert {field.anchor for field in row.fields} == {anchors[row.name]}
        assert all(row.name in field.says for field in row.fields)
        best = {label for (label, *_), field in zip(verdict.columns, row.fields, strict=True) if field.best}
        assert best == {cell.label for cell in results[row.name].best}
    assert "c0ffee" not in verdict.cite
    again = replace(record, environment={"git_commit": "c0ffee", "packages": {"stepscape": "9.9"}})
    cited = verdict_of(again, results, ratios, None, anchors)
    assert "Stepscape 9.9, commit c0ffee" in cited.cite
    assert "Stepscape 9.9, commit c0ffee" in cited.bibtex


@pytest.mark.parametrize(("count", "rows", "folded"), [(10, 2, 0), (24, 24, 0), (150, 30, 120)])
def test_many_optimizers_run_down_the_page_best_first(record: Record, count: int, rows: int, folded: int) -> None:
    shares = [[1.0, *np.linspace(0.1, 0.9, count - 1)], [1.0, *np.linspace(0.1, 0.9, count - 1)]]
    ratios = replace(ratios_of(shares), problems=("ellipse", "noisy"))
    results = {name: found for name, found in results_of(record).items() if name != "classes"}
    verdict = verdict_of(record, results, ratios, None, {"ellipse": "a", "noisy": "b"})
    assert (len(verdict.rows), len(verdict.rest)) == (rows, folded)
    first = [name for name, *_ in verdict.columns] if count == 10 else [row.name for row in verdict.rows]
    assert first[:2] == ["o0", f"o{count - 1}"]
    if count > 10:
        assert [(name, anchor) for name, anchor, _ in verdict.columns] == [("ellipse", "a"), ("noisy", "b")]
        assert [field.anchor for field in verdict.rows[0].fields] == ["a", "b"]


def test_that_all_are_tied_is_said_once_and_not_in_every_field(record: Record) -> None:
    found = results_of(record)["noisy"]
    close = ProblemResults((found.best[0], *found.tied))
    assert close.undecided
    results = {"noisy": close}
    verdict = verdict_of(record, results, worse_than_best([close]), None, {"noisy": "a"})
    (row,) = verdict.rows
    assert row.all_tied
    assert not any(field.tied for field in row.fields)
    assert sum("not told apart" in field.says for field in row.fields) == len(close.tied) > 0
    alone = ProblemResults(found.best[:1])
    assert not alone.undecided


def test_the_opening_says_when_by_what_and_of_what_which_is_the_same_when_it_is_run_again(record: Record) -> None:
    def opening(of: Record) -> str:
        results = results_of(of)
        ratios = worse_than_best(list(results.values()))
        return verdict_of(of, results, ratios, None, {name: name for name in results}).provenance

    dated = replace(record, environment={**record.environment, "date": "2026-01-02", "git_commit": "c0ffee"})
    said = opening(dated)
    assert said.startswith("Begun 2026-01-02 · Stepscape")
    assert "commit c0ffee" in said
    again = opening(replace(dated, environment={**dated.environment, "date": "2027-01-02"}))
    assert again == said.replace("2026-01-02", "2027-01-02")
    assert opening(replace(dated, cells=dated.cells[1:])).rpartition(" ")[2] != said.rpartition(" ")[2]

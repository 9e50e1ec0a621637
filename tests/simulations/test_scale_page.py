"""The script that writes the simulated part of docs/scale.md: what it reads, cuts and writes, on made-up times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import scale_page
from scale_model import Limits
from scale_page import (
    PREPARE,
    Point,
    Work,
    at_half,
    between_marks,
    curve,
    draw,
    sliced,
    stops_of,
    table_of,
    ways,
    whole,
)

LARGE = Work(studies=3000.0, test=200.0, landscape=6000.0, count=3, trials=195, cost=9200.0)
SMALL = Work(studies=3.0, test=0.2, landscape=6.0, count=3, trials=195, cost=9.2)


@pytest.mark.parametrize("workers", [1, 2, 30, 1000])
def test_slices_are_the_work_of_the_cells_and_a_little_more_a_job(workers: int) -> None:
    works = [LARGE, SMALL, SMALL]
    jobs = sliced(works, workers)
    assert sum(job.seconds - PREPARE for job in jobs) == pytest.approx(sum(work.seconds for work in works))
    assert sum(job.cost for job in jobs) == pytest.approx(sum(work.cost for work in works))
    assert sum(job.mirrored for job in jobs) == len(works)


def test_a_cell_is_cut_into_its_studies_and_pieces_of_its_landscape_and_its_rest_comes_last() -> None:
    jobs = sliced([LARGE], 10)
    first, last = [job for job in jobs if job.wave == 0], [job for job in jobs if job.wave == 1]
    assert sorted(round(job.seconds - PREPARE, 6) for job in first)[-3:] == [1000.0] * 3
    assert max(job.seconds for job in first[3:]) <= LARGE.seconds / 10 / 8 + PREPARE
    assert [job.seconds for job in last] == [200.0 + PREPARE]


def test_a_cell_that_is_small_beside_the_others_stays_whole() -> None:
    assert sliced([LARGE, SMALL], 1) == [replace(job, calls=0) for job in whole([LARGE, SMALL], 1)]
    assert replace(whole([SMALL], 2)[0], calls=0) in sliced([LARGE, SMALL], 2)


def test_what_stops_a_way_is_named() -> None:
    works, workers = [LARGE] + [SMALL] * 300, (1, 10, 1000)
    curves = {way.name: curve(way, works, workers) for way in ways(problems=1)}
    last = {name: points[-1] for name, points in curves.items()}
    assert last["whole cells"].why == "longest job"
    assert last["the same through the proxy"].why == "store"
    assert last["slices"].seconds < last["whole cells"].seconds
    assert last["slices, MLflow beside them"].seconds >= last["slices"].seconds
    assert curves["whole cells"][0].speedup == pytest.approx(1.0)
    table, stops = table_of(curves), stops_of(curves)
    assert table.count("\n") == 1 + len(workers)
    assert all(f"| {name} |" in stops for name in curves)


@pytest.mark.slow
def test_the_figure_shows_every_way(tmp_path: Path) -> None:
    curves = {way.name: curve(way, [SMALL] * 5, (1, 10)) for way in ways(1)}
    draw(curves, ways(1), "made up", tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "made up" in text
    assert all(name in text for name in curves)


def test_half_of_the_time_is_work_up_to_the_last_such_number_of_workers() -> None:
    points = [
        Point(1, 8.0, 1.0, "work"),
        Point(2, 5.0, 1.6, "work"),
        Point(4, 4.0, 2.0, "work"),
        Point(8, 4.0, 2.0, ""),
    ]
    assert at_half(points) == 4


def test_more_workers_than_jobs_do_no_harm_but_what_they_cost_the_driver() -> None:
    way = replace(ways(1)[0], limits=Limits())
    points = curve(way, [SMALL] * 5, workers=(1, 5, 50))
    assert points[1].seconds == points[2].seconds == pytest.approx(SMALL.seconds + PREPARE)


@pytest.mark.parametrize(
    ("seconds", "said"), [(7, "7 s"), (119, "119 s"), (600, "10.0 min"), (9000, "2.5 h"), (2e5, "2.3 d")]
)
def test_times_are_told_as_people_say_them(seconds: float, said: str) -> None:
    assert scale_page.told(seconds) == said


def test_the_page_has_the_marks_and_the_figure() -> None:
    page = scale_page.PAGE.read_text(encoding="utf-8")
    for name in ("costs", "simulated", "stops"):
        assert f"<!-- {name} -->\n\nnew\n\n<!-- end of {name} -->" in between_marks(page, name, "new")
    assert f"]({scale_page.FIGURE.name})" in page
    with pytest.raises(ValueError, match="no marks"):
        between_marks("nothing", "simulated", "new")


@pytest.mark.slow
def test_the_page_has_what_the_script_makes_of_the_record_that_comes_with_the_suite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scale_page.main(["atlas:league", "--budget"])
    page = scale_page.PAGE.read_text(encoding="utf-8")
    parts = capsys.readouterr().out.strip().split("\n\n")
    assert len(parts) == 4  # costs, what it is, the simulation, where it stops
    assert [part for part in parts if part not in page] == []


def test_a_record_at_the_usual_budget_has_the_parts_of_its_runs(tiny_cell: SimpleNamespace) -> None:
    had, would = Work.of(tiny_cell), Work.at_budget(tiny_cell)
    # 2 studies of 5 trials on 2 seeds became 3 of 65 on 4, of whose updates the default pruner leaves 65%
    assert would.studies == pytest.approx(had.studies * 0.65 * (3 * 65 * 4) / (10 * 2))
    assert would.test == pytest.approx(had.test * (4 * 10) / (3 * 3))
    assert would.landscape == pytest.approx(had.landscape * 768 * 2 / 24)
    assert (would.count, would.trials) == (3, 195)


@pytest.fixture
def tiny_cell() -> SimpleNamespace:
    protocol = SimpleNamespace(tuning_seeds=(1, 2), test_seeds=(3, 4, 5), pruner="none")
    info = SimpleNamespace(
        seconds=SimpleNamespace(tuning=2.0, test=0.5, landscape=3.0),
        problem=SimpleNamespace(name="ellipse", deterministic=False),
        native=None,
        protocol=protocol,
        studies=(0, 1),
        lane_steps=1000,
    )
    return SimpleNamespace(info=info, trials=range(10), landscape=range(24))

"""The script that measures for docs/performance.md: what it writes, on made-up times."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def script() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(HERE / "speed_page.py")))


def test_a_table_is_written_between_its_marks_only(script: SimpleNamespace) -> None:
    page = "a\n<!-- table -->\nold\n<!-- end of table -->\nb\n"
    written = script.between_marks(page, "table", "new")
    assert written == "a\n<!-- table -->\n\nnew\n\n<!-- end of table -->\nb\n"
    assert script.between_marks(written, "table", "new") == written
    with pytest.raises(ValueError, match="no marks"):
        script.between_marks("nothing", "table", "new")


def test_the_page_has_the_marks_of_both(script: SimpleNamespace) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    for name in ("table", "scaling"):
        script.between_marks(page, name, "")
    assert script.FIGURE.name in page


def test_a_point_is_told_with_its_cost_of_a_lane_step(script: SimpleNamespace) -> None:
    table = script.table_of([script.Point("kernel", 1000, 300, 0.0006, 236.4)])
    assert table.splitlines()[-1] == "| kernel | 1,000 | 300 | 0.0006 | 2 ns | 236 MiB |"


def test_the_figure_shows_cost_by_lanes_and_by_steps(script: SimpleNamespace, tmp_path: Path) -> None:
    points = [script.Point("eager", lanes, script.STEPS, lanes * 1e-6, 240) for lanes in (100, 1000)]
    points += [script.Point("kernel", script.LANES, steps, steps * 1e-6, 240) for steps in (100, 1000)]
    script.draw(points, tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    for said in (f"CPU seconds, {script.STEPS} steps", "CPU seconds, 1,000 lanes", "Peak memory, MiB"):
        assert f">{said}<" in drawn


def test_an_engine_that_is_not_there_has_no_points(script: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def of_process(engine: str, lanes: int, steps: int) -> object:
        asked.append((engine, lanes, steps))
        return script.Point(engine, lanes, steps, lanes * steps * 1e-6, 240) if engine == "eager" else None

    monkeypatch.setitem(script.scaling.__globals__, "in_own_process", of_process)
    points = script.scaling((100, 1000, 10_000), longest=2.0)
    assert {point.engine for point in points} == {"eager"}
    assert ("eager", 10_000, script.STEPS) not in asked  # which would have taken three seconds
    assert sum(engine == "kernel" for engine, _, _ in asked) == 2  # the first of each line

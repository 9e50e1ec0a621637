"""The maps of a page hold the numbers of the record, to three digits, and are smaller than a picture."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.figures.style import looks_of
from analysis.measures.lr_sensitivity import Landscape
from analysis.pages import live_maps as module
from analysis.pages.live_maps import MOST_DIVERGED, POWER, LiveMaps, live_maps, packed
from analysis.pages.maps_over_steps import landscapes_before
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record


@pytest.fixture(scope="module", params=["ellipse", "noisy", "classes"])
def results(record: Record, request: pytest.FixtureRequest) -> ProblemResults:
    return ProblemResults.of([cell for cell in record if cell.problem == request.param])


def made(results: ProblemResults) -> LiveMaps:
    found = live_maps(results, looks_of([cell.label for cell in results.cells]))
    assert found is not None
    return found


def unpacked(text: str) -> list[tuple[float, bool, int]]:
    """Value, whether it is above its start, and diverged seeds of every point: what maps.js reads."""
    content, points = base64.b64decode(text), []
    for place in range(0, len(content), 3):
        bits = int.from_bytes(content[place : place + 3], "big")
        power = bits >> 5 & 511
        value = math.inf if power == 511 else float(f"{'-' if bits & 16 else ''}{bits >> 14}e{power - POWER}")
        points.append((value, bool(bits & 8), bits & 7))
    return points


def test_the_maps_of_a_page_hold_the_values_of_the_record_to_three_digits(results: ProblemResults) -> None:
    maps: dict[str, Any] = {one["label"]: one for one in json.loads(made(results).data)["maps"]}
    for cell in results.cells:
        landscape = cell.landscape
        assert landscape is not None
        points = unpacked(maps[cell.label]["grid"])
        expected = [float(f"{value:.2e}") for value in landscape.median.ravel()]
        assert [value for value, _, _ in points] == expected
        assert [worse for _, worse, _ in points] == landscape.worse_than_start.ravel().tolist()
        lost = np.rint(landscape.diverged * landscape.n).ravel().tolist()
        assert [count for _, _, count in points] == [min(count, MOST_DIVERGED) for count in lost]
        assert maps[cell.label]["best"] == (None if landscape.best is None else list(landscape.best))


def test_maps_name_their_axes_as_the_record_does_and_mark_the_defaults(results: ProblemResults) -> None:
    for one in json.loads(made(results).data)["maps"]:
        cell = next(cell for cell in results.cells if cell.label == one["label"])
        assert cell.landscape is not None
        axis = cell.landscape.x
        assert one["x"]["text"].split(" ") == [axis.text(value) for value in axis.values]
        np.testing.assert_allclose(one["x"]["at"], axis.at, atol=1e-4)
        default = cell.info.defaults[axis.name]
        assert one["marks"]["default"]["at"][0] == pytest.approx(math.log10(default), abs=1e-4)
        assert one["marks"]["default"]["text"].startswith(f"lr {axis.text(default)}")
        assert len(one["marks"]["default"]["at"]) == 2


def test_optimizers_of_one_knob_come_last_as_strips(results: ProblemResults) -> None:
    found = made(results)
    assert found.labels == ("momentum", "rmsprop", "sgd")
    assert [one["y"] is None for one in json.loads(found.data)["maps"]] == [False, False, True]


def test_a_point_of_a_map_takes_four_characters(results: ProblemResults) -> None:
    found = made(results)
    points = sum(cell.landscape.median.size for cell in results.cells if cell.landscape is not None)
    content = json.loads(found.data)
    assert sum(len(one["grid"]) for one in content["maps"]) == 4 * points
    assert len(found.data) - len(content["over"]["data"]) < 4 * points + 1500 * len(results.cells)


def test_more_points_than_a_picture_weighs_stay_a_picture(
    results: ProblemResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_POINTS", 10)
    assert live_maps(results, looks_of([cell.label for cell in results.cells])) is None


def test_a_problem_without_a_second_knob_has_no_maps(record: Record) -> None:
    alone = ProblemResults.of([cell for cell in record if cell.name == "noisy--sgd"])
    assert live_maps(alone, looks_of(["sgd"])) is None


@pytest.mark.parametrize(
    "value", [0.0, -0.00123, 9.996e-5, 1e-300, 123456.0, -7.5, 1.0, 0.9995, float("inf"), 3.4e38, 9.995]
)
def test_any_value_survives_packing_to_three_digits(results: ProblemResults, value: float) -> None:
    one = next(cell.landscape for cell in results.cells if cell.landscape is not None)
    shaped = np.full((1, 1), value)
    landscape: Landscape = replace(one, median=shaped, diverged=np.zeros((1, 1)), rise=np.zeros((1, 1)))
    expected = 0.0 if value == 1e-300 else float(f"{value:.2e}")
    assert unpacked(packed(landscape)) == [(expected, False, 0)]


def test_maps_hold_what_they_were_after_fewer_steps_to_two_digits(results: ProblemResults) -> None:
    content = json.loads(made(results).data)
    over, measure = content["over"], results.measure
    assert over["steps"] == [1, 3, 10, 22]
    assert content["end"] == 40
    planes = np.frombuffer(zlib.decompress(base64.b64decode(over["data"])), np.uint8).reshape(3, -1).astype(int)
    levels = np.cumsum(planes[0] * 256 + planes[1]) % 2**16
    cells = {cell.label: cell for cell in results.cells}
    before = landscapes_before([cells[one["label"]] for one in content["maps"]])
    order = [before[step][place] for place in range(len(content["maps"])) for step in over["steps"]]
    expected = np.concatenate([measure.shown(each.median).ravel() for each in order])
    place = over["offset"] + over["unit"] * (levels - 1)
    with np.errstate(over="ignore"):
        found = np.where(levels == 0, np.inf, 10.0**place if content["log"] else place)
    atol = 0.0 if content["log"] else over["unit"] / 2 * 1.001
    np.testing.assert_allclose(found, expected, rtol=0.012, atol=atol)
    assert (planes[2] >= 8).tolist() == np.concatenate([each.worse_than_start.ravel() for each in order]).tolist()
    for at, one in enumerate(content["maps"]):
        bests = [before[step][at].best for step in over["steps"]]
        assert one["bests"] == [None if best is None else list(best) for best in bests]


def test_maps_of_landscapes_that_kept_nothing_have_no_slider(edited_cell: Any) -> None:
    cells = [edited_cell(1, name) for name in ("rmsprop", "momentum")]
    (cells[0].path / "anytime.parquet").unlink()
    found = made(ProblemResults.of(cells))
    assert not found.horizons
    assert "over" not in json.loads(found.data)

"""A colour is an optimizer: the same wherever it is drawn, and told from the others by every eye."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from analysis.figures.families import FAMILIES, OTHERS, color_of, family_of
from analysis.figures.lines import convergence_figure, named
from analysis.figures.outcome import outcome_figure
from analysis.figures.problem import cell_figure, looks_on
from analysis.figures.style import among, looks_of
from analysis.measures.convergence import Convergence
from analysis.measures.measure import Measure
from analysis.measures.results import SettingResult
from analysis.pages.sentences import problem_reading
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record
from analysis.statistics.bootstrap import Band, Estimate

EYES = {
    "normal": np.eye(3),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
"""What eyes make of linear RGB: Machado, Oliveira and Fernandes 2009, table 1, severity 1."""

TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color: str, eye: np.ndarray) -> np.ndarray:
    """The colour ``#rrggbb`` as an eye sees it, in CIELAB."""
    rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(eye @ linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
def test_any_two_families_differ_to_normal_and_colour_blind_eyes(eye: str) -> None:
    seen = [lab(family.color, EYES[eye]) for family in FAMILIES]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 30  # Okabe and Ito's seven: 15


def test_the_chapters_optimizers_differ_in_lightness_where_their_neighbours_do_not_in_hue() -> None:
    lightness = [lab(color_of(name), EYES["normal"])[0] for name in ("sgd", "momentum", "adagrad", "rmsprop", "adam")]
    assert max(lightness) < 72  # seen on paper
    assert len({round(each / 4) for each in lightness}) >= 4  # in grey print too, but for one pair


def test_members_of_a_family_are_shades_of_one_another() -> None:
    for family in FAMILIES:
        colors = [color_of(name) for name in family.members]
        assert colors[0] == family.color
        assert len(set(colors)) == min(len(colors), 8)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("rmsprop(gamma=0.9)", "RMSProp"),
        ("clip(adam, 1.0)", "Adam"),
        ("torch:RMSprop(centered=True)", "RMSProp"),
        ("torch:Adam", "Adam"),
        ("torch:SGD", "gradient descent"),
        ("torch:Adagrad", "Adagrad"),
        ("torch:Adadelta", "RMSProp"),
        ("pytorch_optimizer:SignSGD", "sign"),
        ("pytorch_optimizer:ScheduleFreeAdamW", "others"),
        ("pytorch_optimizer:Shampoo", "matrix"),
        ("my.module:Thing", "others"),
        ("größer", "others"),
    ],
)
def test_optimizers_from_elsewhere_have_the_hue_of_what_they_are_called_after(name: str, family: str) -> None:
    assert family_of(name).name == family
    assert color_of(name) == color_of(name)
    assert {family_of(name)} <= {*FAMILIES, OTHERS}


def test_an_optimizer_has_its_colour_in_every_suite_and_under_every_schedule() -> None:
    alone, among_others = looks_of(["adam"]), looks_of(["sgd", "torch:Adam", "adam · cosine", "adam"])
    assert alone["adam"] == among_others["adam"]
    assert among_others["adam · cosine"].color == alone["adam"].color
    assert among_others["adam · cosine"].line != alone["adam"].line


def test_the_picture_of_a_cell_has_the_colour_of_its_optimizer(record: Record) -> None:
    for cell in record.of_problem("noisy"):
        right = cell_figure(cell).axes[1]
        assert right.lines[1].get_color() == color_of(cell.optimizer)


def many(record: Record, count: int) -> ProblemResults:
    """The results of ``count`` optimizers on one problem."""
    results = ProblemResults.of(record.of_problem("ellipse"))
    cells = []
    for i in range(count):
        one = results.cells[i % 3]
        optimizer = replace(one.info.optimizer, name=f"optimizer {i}")
        cells.append(replace(one, cell=replace(one.cell, info=replace(one.info, optimizer=optimizer))))
    return ProblemResults(tuple(cells))


def test_above_six_lines_the_lowest_are_coloured_and_the_rest_is_grey(record: Record) -> None:
    few, most = many(record, 6), many(record, 9)
    looks = looks_of([cell.label for cell in most.cells])
    assert not any(look.grey for look in looks_on(few, looks).values())
    shown = looks_on(most, looks)
    ended = {cell.label: cell.tuned.value for cell in most.cells if cell.tuned}
    coloured = [label for label in shown if not shown[label].grey]
    assert len(coloured) == 6
    assert max(ended[label] for label in coloured) <= min(ended[label] for label in shown if label not in coloured)
    assert all(shown[label].color == looks[label].color for label in coloured)
    focused = among(looks, ["optimizer 1"])
    assert looks_on(most, focused) == focused  # what is in focus stays the only one


def test_a_hundred_and_fifty_optimizers_are_a_few_lines_and_a_count() -> None:
    labels = [f"optimizer {i}" for i in range(150)]
    looks = among(looks_of(labels), labels[:6])
    measure = Measure(0.0, 1.0, 1e-16, log=True)
    end = np.geomspace(1e-3, 1, 150)
    lines = {
        label: Convergence("tuned", "loss", np.arange(2), Band(*[np.array([1.0, low])] * 3, 3), 0, 1)
        for label, low in zip(labels, end, strict=True)
    }
    figure = convergence_figure({"tuned": lines}, measure, looks, {})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*labels[:6], "144 others", "start"]
    assert len(figure.axes[0].collections) == 6  # bands of those that are coloured
    assert figure.get_figheight() < 5
    results = {
        label: SettingResult("tuned", np.full((1, 3), low), Estimate(low, low, low, 3), np.nan)
        for label, low in zip(labels, end, strict=True)
    }
    outcome = outcome_figure(results, {}, measure, looks)
    assert outcome.get_figheight() < 15
    assert [text.get_text() for text in outcome.axes[0].get_yticklabels()] == labels[:40]
    assert "110 more end higher" in outcome.axes[0].get_xlabel()


def test_a_legend_names_a_few_grey_lines_one_by_one() -> None:
    labels = [f"optimizer {i}" for i in range(14)]
    assert list(named(labels, among(looks_of(labels), labels[:6]))) == labels


def test_a_reading_and_a_table_of_many_name_the_lowest_first_and_count_the_rest(record: Record) -> None:
    results = many(record, 30)
    values = [cell.tuned.value for cell in results.by_result if cell.tuned]
    assert values == sorted(values)
    assert set(results.by_result) == set(results.cells)
    noisy = ProblemResults.of(record.of_problem("noisy"))
    crowd = ProblemResults((noisy.best[0], *(replace(cell) for cell in noisy.tied for _ in range(8))))
    others = len(crowd.cells) - 1
    assert len(crowd.tied) == others > 6
    assert f"but none of the other {others} is told apart from it" in problem_reading(crowd)[0]

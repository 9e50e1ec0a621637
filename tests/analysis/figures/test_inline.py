"""A figure in a page is the figure: its shapes, its text, its colours as the page's variables."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.inline import inline_svg, on_a_page
from analysis.figures.style import LARGEST_SHAPES, drawing, drawn_as, svg

PATH = re.compile(r"[a-z]|-?\d*\.?\d+")
SIZES = {"m": 2, "l": 2, "h": 1, "v": 1, "q": 4, "c": 6, "z": 0}


@pytest.fixture(scope="module")
def figure() -> Figure:
    with drawing():
        figure = Figure(figsize=(4, 3))
        axes = figure.subplots()
        x = np.linspace(0, 1, 50)
        axes.plot(x, np.sin(9 * x), color="#53acd7", marker="o", label='one & <two> "three" #@0')
        axes.fill_between(x, -x, x, color="#53acd7", alpha=0.3)
        axes.plot(x, np.exp(x), color="#123456")
        axes.set_ylim(-2, 2)
        axes.set_ylabel("upright")
        axes.set_title("words, and 1.2345")
        axes.legend()
    return figure


@pytest.fixture(scope="module")
def large(figure: Figure) -> str:
    from analysis.figures.style import _saved

    return _saved(figure, "svg", Date=None).decode()


def read(shapes: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<svg>{shapes}</svg>")


def local(part: ElementTree.Element) -> str:
    return part.tag.rpartition("}")[2]


def ends(path: str) -> list[tuple[float, float]]:
    """Where the steps of a relative path lead."""
    x = y = start_x = start_y = 0.0
    found, command, numbers = [], "", PATH.findall(path)
    while numbers:
        if numbers[0].isalpha():
            command = numbers.pop(0)
        taken = [float(numbers.pop(0)) for _ in range(SIZES[command])]
        if command == "z":
            x, y = start_x, start_y
        else:
            x += taken[0] if command == "h" else 0.0 if command == "v" else taken[-2]
            y += taken[0] if command == "v" else 0.0 if command == "h" else taken[-1]
        if command == "m":
            start_x, start_y = x, y
        found.append((x, y))
    return found


def drawn(tree: ElementTree.Element) -> list[ElementTree.Element]:
    """The shapes of a figure from back to front."""
    found = []
    for part in tree:
        if local(part) in ("path", "use", "circle"):
            found.append(part)
        elif local(part) not in ("defs", "clipPath"):
            found += drawn(part)
    return found


def corners(path: str) -> np.ndarray:
    return np.array([float(number) for number in re.findall(r"-?\d+\.?\d*", path)]).reshape(-1, 2)


def test_no_shape_and_no_letter_is_lost(large: str) -> None:
    shapes = inline_svg(large)
    assert len(shapes) < 0.5 * len(large)
    before, after = ElementTree.fromstring(large), read(shapes)
    assert len(drawn(before)) == len(drawn(after)) > 70
    texts = [[p.text for p in tree.iter() if local(p) == "text"] for tree in (before, after)]
    assert texts[0] == texts[1]
    assert 'one & <two> "three" #@0' in texts[1]


def test_every_path_leads_where_it_led_to_a_twentieth_of_a_point(large: str) -> None:
    before = ElementTree.fromstring(large)
    named = {f"#{part.get('id')}": part.attrib["d"] for part in before.iter() if local(part) == "path"}
    met = Counter()
    for old, new in zip(drawn(before), drawn(read(inline_svg(large))), strict=True):
        kind = (local(old), local(new))
        met[kind] += 1
        if kind[0] == "path":
            places = corners(old.attrib["d"])
        else:
            at = [float(old.get("x", 0)), float(old.get("y", 0))]
            places = corners(named[old.attrib["{http://www.w3.org/1999/xlink}href"]]) + at
        if kind[1] == "circle":
            center, radius = [float(new.attrib["cx"]), float(new.attrib["cy"])], float(new.attrib["r"])
            assert np.abs(places.max(axis=0) - center - radius).max() < 0.06
        else:
            reached = np.array(ends(new.attrib["d"]))
            assert np.abs(places.max(axis=0) - reached.max(axis=0)).max() < 0.051
            assert np.abs(places.min(axis=0) - reached.min(axis=0)).max() < 0.051
            gaps = np.abs(reached[:, None] - places[None]).max(axis=-1).min(axis=1)
            assert gaps.max() < 0.051  # every corner is one of the old ones
    assert met["use", "circle"] >= 50
    assert met["use", "path"] >= 10
    assert not met["use", "use"]


def test_a_long_shape_that_is_used_often_stays_one(large: str) -> None:
    again = large.replace("</svg>", "")
    long = "M 0 0 " + " ".join(f"L {place} {place % 3} " for place in range(40))
    uses = "".join(f'<use xlink:href="#long" x="{place}" y="9" style="fill: #123456"/>' for place in range(3))
    shapes = inline_svg(f'{again}<defs><path id="long" d="{long}"/></defs>{uses}</svg>')
    (figure,) = on_a_page({"a": shapes}, {})[0].values()
    used = re.findall(r'<use href="#([^"]+)"', figure)
    assert len(used) == 3
    assert set(used) <= set(re.findall(r' id="([^"]+)"', figure))


def test_what_leaves_the_axes_is_still_clipped(large: str) -> None:
    clipped = [part for part in read(inline_svg(large)).iter("path") if "clip-path" in part.attrib]
    assert len(clipped) == 1  # exp(x) beyond 2
    assert "#123456" in clipped[0].attrib["style"]


def test_figures_of_a_page_share_their_styles_and_none_of_their_names(large: str) -> None:
    shapes = inline_svg(large)
    figures, rules = on_a_page({"a": shapes, "b": shapes}, {"#53acd7": "--c0"})
    ids = [name for one in figures.values() for name in re.findall(r' id="([^"]*)"', one)]
    assert max(Counter(ids).values()) == 1
    assert ids
    for one in figures.values():
        read(one)
        assert {*re.findall(r'(?:href="|url\()#([^")]*)', one)} <= set(ids)
    assert "style=" not in "".join(figures.values())
    assert "#53acd7" not in rules + "".join(figures.values())
    assert "var(--c0)" in rules
    assert "var(--ink)" in rules
    assert "#222222" not in rules
    assert "#123456" in rules
    assert {*re.findall(r'class="([^"]*)"', figures["a"])} <= {*re.findall(r"\.(_\w+)\{", rules)}


LINE = re.compile(r"[mM](-?[\d.]+) ?(-?[\d.]+)([hv])(-?[\d.]+)")


def straight(shapes: str) -> Counter[tuple[str | None, tuple[str, ...]]]:
    """Every straight line of ``shapes`` with its style."""
    paths = [(part.get("class"), part.attrib["d"]) for part in read(shapes).iter("path")]
    return Counter((style, line.groups()) for style, path in paths for line in LINE.finditer(path) if line[4] != "0")


def test_ticks_and_grid_of_an_axis_are_a_path_a_style_and_lines_that_shine_through_stay_apart(large: str) -> None:
    faint = "".join(f'<path d="M 9 {at} L 7 {at}" style="stroke: #123456; stroke-opacity: 0.5"/>' for at in range(3))
    shapes = inline_svg(large.replace("</svg>", f"{faint}</svg>"))
    alone = re.sub(r' style="([^"]*)"', lambda style: f' class="{hash(style[1])}"', shapes)  # as it was
    (page,), rules = (found := on_a_page({"a": shapes}, {}))[0].values(), found[1]
    (through,) = re.findall(r"\.(_\w+)\{[^}]*stroke-opacity", rules)
    assert len(re.findall(rf'<path d="[^M"]*" class="{through}"/>', page)) == 3
    joined = re.findall(r'<path d="(M[^"]*)" class="(\w+)"', page)
    assert max(path.count("M") for path, _ in joined) >= 5
    assert Counter(line for _, line in straight(page).elements()) == Counter(
        line for _, line in straight(alone).elements()
    )
    assert sorted(Counter(style for style, _ in straight(page).elements()).values()) == sorted(
        Counter(style for style, _ in straight(alone).elements()).values()
    )
    assert [part.text for part in read(page).iter("text")] == [part.text for part in read(alone).iter("text")]
    assert page.count("<path") < alone.count("<path") - 8


def test_marks_of_a_line_are_a_path_of_dots_as_large_and_where_the_circles_were(large: str) -> None:
    shapes = inline_svg(large)
    was = [tuple(float(part.attrib[name]) for name in ("cx", "cy", "r")) for part in read(shapes).iter("circle")]
    page = read(on_a_page({"a": shapes, "b": shapes}, {})[0]["a"])
    now = [tuple(float(part.attrib[name]) for name in ("cx", "cy", "r")) for part in page.iter("circle")]
    for part in page.iter("path"):
        if part.get("stroke-linecap") == "round":
            radius = (float(part.attrib["stroke-width"]) - 1) / 2  # the edge of a mark is a point wide
            now += [(float(x), float(y), radius) for x, y, _, length in LINE.findall(part.attrib["d"]) if length == "0"]
    assert sorted(now) == sorted(was)
    assert sum(1 for _ in page.iter("circle")) < 3 < len(was)


def test_corners_on_the_straight_way_are_left_out_and_no_other() -> None:
    path = "M 0 0 L 1 0.05 L 2 0 L 3 0.2 L 4 0 L 3 0 L 9 0 L 9 9 z L 5 5 L 6 6 L 0 3"
    shapes = inline_svg(f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path}" style="fill: none"/></svg>')
    (found,) = (part.attrib["d"] for part in read(shapes).iter("path"))
    left = [(0, 0), (2, 0), (3, 0.2), (4, 0), (3, 0), (9, 0), (9, 9), (0, 0), (6, 6), (0, 3)]
    np.testing.assert_allclose(ends(found), left, atol=1e-9)


def test_no_blank_stands_before_a_point_that_parts_two_numbers(large: str) -> None:
    paths = [part.attrib["d"] for part in read(inline_svg(large)).iter("path")]
    assert any(re.search(r"\.\d\.\d", path) for path in paths)
    assert not any(re.search(r"\.\d \.", path) for path in paths)


def test_a_figure_of_many_lines_is_a_picture_on_the_page_where_that_is_shorter() -> None:
    with drawing():
        many = Figure(figsize=(1, 1))
        axes = many.subplots()
        axes.plot(np.random.default_rng(0).normal(size=9000), np.random.default_rng(1).normal(size=9000))
    drawn = drawn_as(many, ("svg",), inline=True)
    assert drawn.shapes == ""
    assert drawn.picture.startswith("data:image/webp")
    assert len(drawn.picture) < LARGEST_SHAPES < len(drawn.files["svg"])


def test_a_figure_of_the_report_is_drawn_once(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "png", lambda *_: pytest.fail("drawn again"))
    drawn = drawn_as(figure, ("svg",), inline=True)
    assert set(drawn.files) == {"svg"}
    assert drawn.files["svg"] == svg(figure)
    assert drawn.shapes.startswith("<")


def test_a_file_holds_text_as_text_too(figure: Figure) -> None:
    assert ">words, and 1.2345</text>" in svg(figure).decode()

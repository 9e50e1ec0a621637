"""A figure as part of a page: matplotlib's SVG with text as text, in few bytes, in the colours of the page.

What only a program wants to know is gone: metadata, names that nothing refers to, groups, defaults. Numbers have one
decimal (a tenth of a point is a seventh of a pixel) and paths are relative. `on_a_page` gives
each figure ids of its own, and what is styled alike on the whole page becomes a class. The straight lines of a style
that stand between the words of an axis, its ticks and grid, become one path there, and so do the marks of a line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import escape

__all__ = ["inline_svg", "on_a_page"]

THEMED: Final = {
    "#222222": "var(--ink)",
    "#000000": "var(--ink)",
    "#555555": "var(--soft)",
    "#5b6470": "var(--soft)",
    "#6b6b6b": "var(--soft)",
    "#e4e4e4": "var(--line)",
    "#eef1f4": "var(--tint)",
    "#ffffff": "var(--paper)",
}
"""Colours of the theme and the variables of the page that stand for them, which are others when it is dark."""

DEFAULTS: Final = {("stroke-width", "1"), ("stroke-linecap", "butt"), ("opacity", "1"), ("stroke-dashoffset", "0")}
"""What a shape has by itself."""

NOWHERE: Final = {"font-family", "white-space"}
"""What the page says for all its figures."""

OWN: Final = "\ue000"
"""What the name of an id begins with until the figure is on a page: a letter that no text has."""

FLAT: Final = re.compile(r"fill:([^;]*);stroke:\1(;stroke-linejoin:miter)?")
"""The style of marks whose edge has the width 1 and the colour they are filled with."""

XLINK: Final = "{http://www.w3.org/1999/xlink}"
NUMBER: Final = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
LEVEL: Final = re.compile(r"\s*rotate\(-?0 [^)]*\)")
REFERENCE: Final = re.compile(r"url\(#([^)]*)\)")
GROUP: Final = re.compile(r'<g((?: clip-path="[^"]*")?) class="(\w+)">((?:<(?:path d|circle cx)="[^<]*"/>)+)</g>')
CIRCLE: Final = re.compile(r'<circle cx="([^"]*)" cy="([^"]*)" r="([^"]*)"/>')
STRAIGHT: Final = r'<path d="m([-\d. ]+[hv][-\d.]+)" class="(\w+)"/>'
AXIS: Final = re.compile(rf"(?:(?:{STRAIGHT}|<text [^>]*>[^<]*</text>)\s*){{2,}}")
"""Ticks, grid lines and the words between them."""

SHORT: Final = 120
THIN: Final = 1 / 15
MOST_LEFT_OUT: Final = 60
NEAR: Final = 0.05
MARKER_PLACES: Final = 2
PLACES: Final = 1
ATTRIBUTES: Final = ("x", "y", "width", "height", "points", "cx", "cy")


def inline_svg(drawn: str) -> str:
    """What stands between ``<svg>`` and ``</svg>`` of the SVG ``drawn`` by matplotlib, as `on_a_page` takes it."""
    tree = ElementTree.fromstring(drawn)
    _draw_uses(tree)
    clips = {str(clip.get("id")): _box(clip) for clip in tree.iter() if _tag(clip) == "clipPath"}
    for part in tree.iter():
        clip = str(part.get("clip-path"))[5:-1]
        if clip in clips and "d" in part.attrib and _within(part.attrib["d"], clips[clip]):
            del part.attrib["clip-path"]
    said = " ".join(value for part in tree.iter() for value in part.attrib.values() if "#" in value)
    used = set(re.findall(r"#([\w.-]+)", said))
    names = {
        str(part.get("id")): f"{OWN}{place}" for place, part in enumerate(p for p in tree.iter() if p.get("id") in used)
    }
    return "".join(_written(part, names, PLACES) for part in tree if _tag(part) != "metadata")


def on_a_page(figures: Mapping[str, str], colors: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The ``figures`` of a page by name, ids told apart and what is styled alike as classes, and the rules of these.

    ``colors`` are variables of the page for colours of the figures, as an optimizer's.
    """
    apart = {name: shapes.replace(OWN, f"i{place}-") for place, (name, shapes) in enumerate(figures.items())}
    counts = Counter(style for shapes in apart.values() for style in re.findall(r' style="([^"]*)"', shapes))
    often = {style: f"_{place:x}" for place, (style, count) in enumerate(counts.most_common()) if count > 1}

    def styled(style: str) -> str:
        return re.sub(
            r"#[0-9a-f]{6}\b", lambda found: f"var({colors[found[0]]})" if found[0] in colors else found[0], style
        )

    def short(found: re.Match[str]) -> str:
        style = found[1]
        return f' class="{often[style]}"' if style in often else f' style="{styled(style)}"'

    rules = "".join(f".{name}{{{styled(style)}}}" for style, name in often.items())
    opaque = {name for style, name in often.items() if "opacity" not in style}
    filled = {name for style, name in often.items() if FLAT.fullmatch(style)}
    lines, marks = partial(_joined, opaque=opaque), partial(_marks, filled=filled)
    classed = {name: re.sub(r' style="([^"]*)"', short, shapes) for name, shapes in apart.items()}
    return {name: GROUP.sub(marks, AXIS.sub(lines, shapes)) for name, shapes in classed.items()}, rules


def _marks(group: re.Match[str], filled: Collection[str]) -> str:
    """A ``group`` of marks as one path, where they are ``filled`` with the colour of their edges: circles as dots."""
    clip, style, marks = group.groups()
    circles = CIRCLE.findall(marks)
    radii = {radius for *_, radius in circles}
    if style not in filled or len(radii) > 1 or (circles and CIRCLE.sub("", marks)):
        return group[0]
    if circles:
        path = "".join(f"M{x} {y}h0" for x, y, _ in circles)
        width = f' stroke-width="{_text(2 * float(*radii) + 1, MARKER_PLACES)}" stroke-linecap="round"'
    else:
        path, width = re.sub(r'"/><path d="m', "M", marks[len('<path d="') : -len('"/>')]), ""
    return f'<path{clip} class="{style}" d="{path}"{width}/>'


def _joined(axis: re.Match[str], opaque: Collection[str]) -> str:
    """The lines and words of an ``axis``, straight lines of one style that is ``opaque`` as one path."""
    lines: dict[str, list[str]] = {}
    for path, style in re.findall(STRAIGHT, axis[0]):
        lines.setdefault(style, []).append(path)

    def first(line: re.Match[str]) -> str:
        style = line[2]
        if style not in opaque:
            return line[0]
        paths = lines.pop(style, ())
        return f'<path d="M{"M".join(paths)}" class="{style}"/>' if paths else ""

    return re.sub(STRAIGHT, first, axis[0])


def _tag(part: Element) -> str:
    return part.tag.rpartition("}")[2]


def _written(part: Element, names: Mapping[str, str], places: int) -> str:
    """``part`` and what is in it; a group that says nothing is not written, nor is an empty one."""
    tag = _tag(part)
    if tag == "style" or (tag in ("clipPath", "path") and part.get("id", "") not in {"", *names}):
        return ""
    if tag == "g":
        _share_style(part)
    attributes = _attributes(part, names, places)
    inner = places if tag not in ("defs", "pattern") else MARKER_PLACES
    children = [_written(child, names, inner) for child in part]
    text = str(escape(part.text)) if tag in ("text", "tspan") and part.text else ""
    content = text + "".join(children)
    if tag in ("g", "defs") and (not attributes or not content):
        return content if tag == "g" or not content else f"<defs>{content}</defs>"
    said = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{said}>{content}</{tag}>" if content else f"<{tag}{said}/>"


def _draw_uses(tree: Element) -> None:
    """Put in place of a use what it uses, where that is a circle, short, or used once: browsers build a tree for each
    use, which takes them longer than all else.
    """
    uses = [part for part in tree.iter() if _tag(part) == "use"]
    shapes = {str(part.get("id")): part for part in tree.iter() if _tag(part) == "path"}
    counts = Counter(use.get(f"{XLINK}href") for use in uses)
    for use in uses:
        shape = shapes.get(str(use.get(f"{XLINK}href"))[1:])
        if shape is None or "transform" in shape.attrib or "transform" in use.attrib:
            continue
        path, x, y = shape.attrib["d"], float(use.get("x", 0)), float(use.get("y", 0))
        radius = _radius(path)
        if radius:
            use.tag, drawn = "circle", {"cx": f"{x}", "cy": f"{y}", "r": f"{radius}"}
        elif len(path) <= SHORT or counts[use.get(f"{XLINK}href")] == 1:
            use.tag, drawn = "path", {"d": _moved(path, x, y)}
        else:
            continue
        own = {**_said(use.get("style", "")), **_said(shape.get("style", ""))}
        clip = {name: value for name, value in use.items() if name == "clip-path"}
        use.attrib = {**drawn, **clip, "style": ";".join(f"{name}:{value}" for name, value in own.items())}


def _radius(path: str) -> float:
    """The radius of the circle around nothing that ``path`` is, 0 where it is none."""
    if re.sub(r"[^A-Za-z]", "", path) != "MCCCCCCCCz":
        return 0.0
    numbers = [float(number) for number in NUMBER.findall(path)]
    corners = list(zip(numbers[::6], numbers[1::6], strict=True))
    sizes = [math.hypot(x, y) for x, y in corners]
    return max(sizes) if max(sizes) - min(sizes) < NEAR / 10 else 0.0


def _moved(path: str, x: float, y: float) -> str:
    places = cycle((x, y))
    return NUMBER.sub(lambda number: f"{float(number[0]) + next(places):.6f}", path)


def _share_style(group: Element) -> None:
    """Say once for ``group`` how all in it are styled alike."""
    styles = {child.get("style") for child in group}
    style = next(iter(styles), None)
    if (
        len(group) > 1
        and len(styles) == 1
        and style
        and "style" not in group.attrib
        and not re.search(r"(?<![-\w])opacity", style)
    ):
        group.set("style", style)
        for child in group:
            del child.attrib["style"]


def _box(clip: Element) -> tuple[float, float, float, float]:
    """The left, top, right and bottom of what ``clip`` leaves; of what is no rectangle, nothing."""
    if len(clip) != 1 or _tag(clip[0]) != "rect":
        return 0.0, 0.0, -1.0, -1.0
    x, y, width, height = (float(clip[0].attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _within(path: str, box: tuple[float, float, float, float]) -> bool:
    """Whether a ``path`` needs no clipping to stay in ``box``, to a twentieth of a point."""
    numbers = [float(number) for number in NUMBER.findall(path)]
    across, down = numbers[::2], numbers[1::2]
    left, top, right, bottom = box
    return (
        min(across) >= left - NEAR
        and max(across) <= right + NEAR
        and min(down) >= top - NEAR
        and max(down) <= bottom + NEAR
    )


def _attributes(part: Element, names: Mapping[str, str], places: int) -> dict[str, str]:
    """The attributes of ``part`` that say something."""
    found: dict[str, str] = {}
    for name, value in part.items():
        if name == "id":
            if value in names:
                found["id"] = names[value]
        elif name == f"{XLINK}href":
            found["href"] = f"#{names[value[1:]]}" if value.startswith("#") else value.replace("\n", "")
        elif name == "d":
            found["d"] = _relative(value, places)
        elif name == "style":
            style = _style(value, names)
            if style:
                found["style"] = style
        elif name == "transform":
            moved = LEVEL.sub("", value).strip()
            if moved:
                fine = 5 if moved.startswith(("matrix", "scale")) else places
                found["transform"] = _rounded(moved, fine)
        elif name == "r":
            found["r"] = _rounded(value, MARKER_PLACES)
        elif name in ATTRIBUTES:
            found[name] = _rounded(value, places)
        else:
            found[name] = REFERENCE.sub(lambda to: f"url(#{names[to[1]]})", value)
    return found


def _style(style: str, names: Mapping[str, str]) -> str:
    """A style without what is there by itself, its colours as variables where they are the theme's."""
    said = []
    for name, value in _said(style).items():
        if name in NOWHERE or (name, value) in DEFAULTS:
            continue
        if name.startswith("stroke-"):
            said.append(f"{name}:{_rounded(value, MARKER_PLACES)}")
        else:
            said.append(f"{name}:{THEMED.get(value, REFERENCE.sub(lambda to: f'url(#{names[to[1]]})', value))}")
    return ";".join(said)


def _said(style: str) -> dict[str, str]:
    parts = (each.partition(":") for each in style.split(";") if each.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def _rounded(text: str, places: int) -> str:
    return NUMBER.sub(lambda number: _text(float(number[0]), places), text)


def _relative(path: str, places: int) -> str:
    """The absolute ``path`` of M, L, Q, C and z, relative to where it is, without steps that lead nowhere.

    Steps in one direction are one. What is rounded are places, so that errors do not add up.
    """
    scale = 10**places
    written: list[tuple[str, list[int]]] = []
    x = y = from_x = from_y = 0
    for command, numbers in _thinned(re.findall(r"([MLQCz])([^MLQCz]*)", path)):
        if command == "z":
            written.append(("z", []))
            x, y = from_x, from_y
            continue
        at = [round(float(number) * scale) for number in numbers.split()]
        steps = [value - (y if place % 2 else x) for place, value in enumerate(at)]
        x, y = at[-2:]
        if command == "M":
            from_x, from_y = x, y
        last = written[-1] if written else ("", [])
        if command == "L" and last[0] == "l" and _one_way(last[1], steps):
            last[1][:] = [last[1][0] + steps[0], last[1][1] + steps[1]]
        elif command != "L" or any(steps) or last[0] == "m":
            written.append((command.lower(), steps))
    return _packed(written, places)


def _thinned(path: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The steps of ``path`` without corners that lie on the straight way past them, to a fifteenth of a point."""
    begin = (0.0, 0.0)
    line = [begin]  # where it is, and where the steps lead that may be left out
    for place, (command, numbers) in enumerate(path):
        at = [float(number) for number in numbers.split()]
        if command == "L":
            end = (at[0], at[1])
            if len(line) > MOST_LEFT_OUT or not all(_on_the_way(corner, line[0], end) for corner in line[1:]):
                yield path[place - 1]
                line = line[-1:]
            line.append(end)
        else:
            if len(line) > 1:
                yield path[place - 1]
            yield command, numbers
            begin = (at[0], at[1]) if command == "M" else begin
            line = [(at[-2], at[-1]) if at else begin]
    if len(line) > 1:
        yield path[-1]


def _on_the_way(corner: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether ``corner`` is within `THIN` of the straight line from ``start`` to ``end``."""
    across, down = end[0] - start[0], end[1] - start[1]
    x, y = corner[0] - start[0], corner[1] - start[1]
    length = across**2 + down**2
    share = min(max((x * across + y * down) / length, 0.0), 1.0) if length else 0.0
    return (x - share * across) ** 2 + (y - share * down) ** 2 <= THIN**2


def _one_way(a: list[int], b: list[int]) -> bool:
    return a[0] * b[1] == a[1] * b[0] and a[0] * b[0] + a[1] * b[1] >= 0


def _packed(steps: list[tuple[str, list[int]]], places: int) -> str:
    """``steps`` of a relative path as text: no letter twice in a row, no blank where a sign or point parts numbers."""
    pieces: list[str] = []
    before = last = ""
    for letter, at in steps:
        command, numbers = letter, at
        if letter == "l" and 0 in at:
            command, numbers = ("h", at[:1]) if at[1] == 0 else ("v", at[1:])
        if command != before or command in "mz":
            pieces.append(command)
            joined = False
        else:
            joined = True
        for number in numbers:
            text = _text(number / 10**places, places)
            parted = not joined or text[0] == "-" or (text[0] == "." and "." in last)
            pieces.append(text if parted else f" {text}")
            joined, last = True, text
        before = command
    return "".join(pieces)


def _text(value: float, places: int) -> str:
    """A number of at most ``places`` decimals, without a zero that needs not be there."""
    text = f"{value:.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("-0", ""):
        return "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text

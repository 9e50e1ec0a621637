"""Figures in few bytes: the same picture with nothing that no one sees."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

__all__ = ["data_uri", "small_png", "small_svg", "webp_uri"]

COLORS: Final = 256
WHITE: Final = 255
PLACES: Final = re.compile(r'((?:\b(?:d|x|y|x1|x2|y1|y2|points|width|height)="|translate\())([^")]*)')
LONG: Final = re.compile(r"-?\d+\.\d\d\d+")
GLYPH: Final = re.compile(r'<use xlink:href="(#[^"]*)" transform="translate\(([-\d.]+) ([-\d.]+)\)"/>')
PLAIN: Final = "<>=' /:;,()!?*@$+~"  # what a data URI in double quotes may hold as it is


def small_svg(drawn: str) -> str:
    """The SVG ``drawn`` by matplotlib without comments, unused names, blanks, and decimals below a hundredth point.

    A letter is placed by ``x`` and ``y`` instead of a transform, and glyphs have short names.
    """
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    text = PLACES.sub(lambda found: found[1] + LONG.sub(_rounded, found[2]), text)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").replace("DejaVuSans-", "g")
    text = re.sub(r'([z\d]) "', r'\1"', text)
    text = GLYPH.sub(_placed, text)
    text = re.sub(r'style="[^"]*"', lambda found: found[0].replace(": ", ":").replace("; ", ";"), text)
    text = re.sub(r"([MLQCz]) (?=[-\d])", r"\1", text)
    text = re.sub(r"(\d) (?=[MLQCz])", r"\1", text)
    used = set(re.findall(r"#([\w.-]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    text = _with_classes(text)
    return _until_the_same(text, lambda part: re.sub(r"<g>((?:(?!</?g\b).)*)</g>", r"\1", part))


def small_png(pixels: npt.NDArray[np.uint8], dpi: float) -> bytes:
    """The opaque picture ``pixels`` ``[H, W, 4]`` as PNG with a palette of white and its 255 most telling other
    colours, a third of the size.

    Most of a figure is white, so that only the rest is sorted by colour.
    """
    from PIL import Image

    drawn = (pixels != WHITE).any(axis=-1)
    places = np.full(drawn.shape, COLORS - 1, dtype=np.uint8)
    others = Image.fromarray(np.ascontiguousarray(pixels[drawn][None, :, :3]))
    palette: list[int] = []
    if others.width:
        reduced = others.quantize(COLORS - 1, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        places[drawn] = np.asarray(reduced)[0]
        palette = (reduced.getpalette() or [])[: 3 * (COLORS - 1)]
    picture = Image.fromarray(places)
    picture.putpalette([*palette, *[WHITE] * (3 * COLORS - len(palette))])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", dpi=(dpi, dpi))
    return buffer.getvalue()


def webp_uri(picture: bytes) -> str:
    """The PNG ``picture`` as a data URI of the same pixels as WebP, three quarters of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(buffer, "WEBP", lossless=True, method=4, quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def data_uri(drawn: bytes) -> str:
    """The SVG ``drawn`` as a data URI, ready for an attribute in double quotes; a fifth smaller than base64."""
    return Markup(f"data:image/svg+xml,{quote(drawn.decode().replace(chr(34), chr(39)), safe=PLAIN)}")


def _with_classes(text: str) -> str:
    """``text`` with every style that stands in it more than twice as a class."""
    counts = Counter(re.findall(r' style="([^"]*)"', text))
    often = {style: f"s{place}" for place, (style, count) in enumerate(counts.most_common()) if count > 2}
    rules = "".join(f".{name}{{{style}}}" for style, name in often.items())
    text = re.sub(
        r' style="([^"]*)"', lambda found: f' class="{often[found[1]]}"' if found[1] in often else found[0], text
    )
    return text.replace("</style>", f"{rules}</style>", 1)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _placed(found: re.Match[str]) -> str:
    x, y = found[2], found[3]
    return f'<use xlink:href="{found[1]}" x="{x}"{"" if y == "0" else f" y={chr(34)}{y}{chr(34)}"}/>'


def _until_the_same(text: str, step: Callable[[str], str]) -> str:
    while (after := step(text)) != text:
        text = after
    return text

"""Figures are small files that look as they did."""

from __future__ import annotations

import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis.figures.small import data_uri, small_png, small_svg


@pytest.fixture
def figure() -> Figure:
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot(np.linspace(0, 1, 50), np.sin(np.linspace(0, 9, 50)), label="one & <two>")
    axes.pcolormesh(np.arange(12.0).reshape(3, 4), rasterized=True)
    axes.set_title("words, and 1.2345")
    axes.legend()
    return figure


def saved(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form)
    return buffer.getvalue()


def test_a_small_svg_holds_every_shape_and_letter_of_the_large_one(figure: Figure) -> None:
    large = saved(figure, "svg").decode()
    small = small_svg(large)
    assert len(small) < 0.75 * len(large)
    for tag in ("path", "use", "image", "clipPath"):
        assert len(re.findall(f"<{tag}[ >]", small)) == len(re.findall(f"<{tag}[ >]", large))
    tree = ElementTree.fromstring(small)
    named = {each.get("id") for each in tree.iter()} - {None}
    used = set(re.findall(r"#([\w.-]+)[\")]", re.sub(r"(?:fill|stroke):#\w+", "", small)))
    assert used == named


def test_numbers_keep_a_hundredth_of_a_point() -> None:
    text = '<path d="M 1.23456 -0.004 \nL 2.5 3.999 \n" transform="scale(0.015625)"/>'
    assert small_svg(text) == '<path d="M1.23 -0L2.5 4" transform="scale(0.015625)"/>'


def test_a_small_png_is_the_same_picture_to_the_eye(figure: Figure) -> None:
    large = saved(figure, "png")
    pixels = np.asarray(Image.open(io.BytesIO(large)).convert("RGBA"))
    small = small_png(pixels, 100)
    assert len(small) < len(large)
    before, after = (np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), dtype=float) for each in (large, small))
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 0.5
    assert small_png(pixels, 100) == small
    assert (after[(before == 255).all(axis=-1)] == 255).all()


def test_a_small_png_of_an_empty_picture_is_white() -> None:
    small = small_png(np.full((3, 4, 4), 255, dtype=np.uint8), 100)
    assert (np.asarray(Image.open(io.BytesIO(small)).convert("RGB")) == 255).all()


def test_a_data_uri_needs_no_further_escape_and_gives_the_svg_back(figure: Figure) -> None:
    drawn = small_svg(saved(figure, "svg").decode()).encode()
    uri = data_uri(drawn)
    assert not set(uri) & set('"#&\n')
    assert unquote(uri.partition(",")[2]) == drawn.decode().replace('"', "'")

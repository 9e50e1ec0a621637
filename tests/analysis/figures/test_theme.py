"""The settings that figures take from seaborn are seaborn's."""

from __future__ import annotations

import seaborn as sns

from analysis.figures.theme import SEABORN


def test_the_theme_is_that_of_the_installed_seaborn() -> None:
    asked = {**sns.axes_style("ticks"), **sns.plotting_context("paper")}
    del asked["image.cmap"]
    rounded = {name: round(value, 12) if isinstance(value, float) else value for name, value in asked.items()}
    assert rounded == SEABORN

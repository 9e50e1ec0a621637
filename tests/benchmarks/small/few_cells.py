"""A suite whose cells take milliseconds, for tests of what carries, divides and joins cells."""

from __future__ import annotations

import json
from collections.abc import Sequence

__all__ = ["few_cells"]


def few_cells(name: str, problems: Sequence[str]) -> str:
    """The text of a suite of two optimizers on ``problems``."""
    return f"""
name = "{name}"
problems = {json.dumps(problems)}
optimizers = ["sgd", "momentum"]
steps = 8
evaluations = 2
[tuning]
studies = 1
trials = 2
block = 2
seeds = 1
pruner = "none"
[test]
seeds = 2
[landscape]
enabled = false
"""

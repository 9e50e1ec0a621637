"""The named views of MLflow's table of runs that an experiment has from the beginning: Cells, Trials, Report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["FIRST", "view_tags"]

PREFIX: Final = "mlflow.sharedViewState."
"""How MLflow's tags that hold a view begin; the rest is the view's key in an address."""


@dataclass(frozen=True)
class View:
    """Which runs are shown, in which order and with which columns: their ``widths`` in pixels, from the left.

    MLflow keeps metrics, tags and params in groups, which columns do not leave.
    """

    key: str
    name: str
    role: str
    order: str
    rising: bool
    widths: Mapping[str, int]

    def tag(self, now: int) -> str:
        """The view as MLflow 3.15 and later save one that somebody made at the time ``now`` in milliseconds."""
        state = {
            "searchFilter": f"tags.role = '{self.role}'",
            "orderByKey": self.order,
            "orderByAsc": self.rising,
            "selectedColumns": list(self.widths),
            "columnOrder": list(self.widths),  # without it MLflow takes no widths
            "columnWidths": dict(self.widths),
        }
        return json.dumps({"name": self.name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)})


def _columns(kind: str, width: int, *names: str) -> dict[str, int]:
    return {f"{kind}.`{name}`": width for name in names}


VIEWS: Final = (
    View(
        "cells",
        "Cells",
        "cell",
        "tags.`order`",
        True,
        {
            **_columns("metrics", 150, "result/gap_tuned", "result/gap_default", "result/loss_tuned"),
            **_columns("metrics", 180, "result/gap_tuned_low", "result/gap_tuned_high"),
            **_columns("tags", 80, "rank"),
            **_columns("tags", 200, "verdict"),
            **_columns("tags", 130, "problem", "optimizer", "at_edge"),
            **_columns("params", 110, "lr", "memory"),
            **_columns("params", 190, "runs.tuned_diverged", "runs.default_diverged"),
            **_columns("attributes", 160, "Dataset"),
        },
    ),
    View(
        "trials",
        "Trials",
        "trial",
        "metrics.`objective`",  # by a start, MLflow would show the runs that these belong to, and hide these
        True,
        {
            **_columns("metrics", 210, "objective"),  # MLflow cuts off the end of a number, which is its exponent
            **_columns("params", 130, "lr", "memory", "log10_lr"),
            **_columns("params", 230, "log10_one_minus_memory"),
            **_columns("tags", 130, "problem", "optimizer", "study", "trial_number", "state"),
        },
    ),
    View("report", "Report", "report", "attributes.start_time", False, _columns("tags", 130, "suite")),
)

FIRST: Final = VIEWS[0].key
"""The key of the view that is opened first: every cell with its results."""


def view_tags(now: int) -> dict[str, str]:
    """The tags of an experiment that MLflow lists under "Views", the first on top: it puts the youngest there."""
    return {PREFIX + view.key: view.tag(now + place) for place, view in enumerate(reversed(VIEWS))}

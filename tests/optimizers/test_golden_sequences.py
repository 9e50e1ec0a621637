"""Six steps of each rule against numbers that other libraries produced, recorded with their versions.

One parameter from 1.0, the same six gradients whatever x is, double precision; each record names who computed it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from optimizers import BUILTIN

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden_updates.json").read_text())
SPECS = {spec.name: spec for spec in BUILTIN}
TOLERANCE = {"nadam": 1e-7}  # torch keeps NAdam's running product in single precision


@pytest.mark.parametrize(
    "record", GOLDEN["sequences"], ids=[f"{r['optimizer']} as {r['source']}" for r in GOLDEN["sequences"]]
)
def test_six_steps_are_those_of(record: dict[str, Any]) -> None:
    x = torch.tensor([GOLDEN["start"]], dtype=torch.float64, requires_grad=True)
    optimizer = SPECS[record["optimizer"]].torch([x], **record["hyperparameters"])
    points = []
    for g in GOLDEN["gradients"]:
        x.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        points.append(x.item())
    assert points == pytest.approx(record["x"], rel=TOLERANCE.get(record["optimizer"], 1e-12), abs=1e-14)


def test_every_rule_but_one_has_a_recorded_sequence() -> None:
    matrices = json.loads(Path(__file__).with_name("golden_matrices.json").read_text())
    recorded = {record["optimizer"] for record in [*GOLDEN["sequences"], *matrices["sequences"]]}
    assert set(SPECS) - recorded == {"rmsprop-amsgrad"}  # no library ships it

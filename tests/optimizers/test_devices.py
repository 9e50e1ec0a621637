"""Rules compute where their parameters are: shown on torch's device without numbers, which refuses all others."""

from __future__ import annotations

import pytest
import torch

from optimizers import BUILTIN

SPECS = {spec.name: spec for spec in BUILTIN}


@pytest.mark.parametrize("name", SPECS)
def test_steps_and_states_are_where_the_parameters_are(name: str) -> None:
    rule = SPECS[name].rule
    x = torch.empty(2, 3, 6, device="meta")
    column = torch.empty(2, 1, 1, dtype=torch.float64, device="meta")
    values = {knob.name: column for knob in rule.hyperparameters}
    state = rule.init(x)
    for t in (1, 2):
        rule.step_(x, torch.empty_like(x), state, values, t)
    assert {tensor.device.type for tensor in (x, *state.values())} == {"meta"}

"""What the engine is given: configurations of one length that can be cut, and a training whose mistakes are refused."""

from __future__ import annotations

import pytest
import torch

from benchmarks.engine.inputs import Configurations, Training
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer, make_problem
from optimizers.lr_schedules import Cosine
from optimizers.rmsprop import RMSProp

ELLIPSE = make_problem("ellipse")


def test_configurations_know_their_number_and_hold_double_precision() -> None:
    both = Configurations({"lr": torch.tensor([0.1, 0.2, 0.3]), "gamma": 0.9, "eps": torch.tensor(1e-6)})
    assert len(both) == 3
    assert both.values["lr"].dtype == torch.float64
    assert isinstance(both.values["eps"], float)
    assert len(Configurations({"lr": 0.1})) == len(Configurations()) == 1


def test_configurations_can_be_cut_by_a_slice_and_by_places() -> None:
    lr = torch.arange(1, 6, dtype=torch.float64)
    every = Configurations({"lr": lr, "gamma": 0.9})
    assert every[1:3].values["lr"].tolist() == [2.0, 3.0]
    assert every[torch.tensor([4, 0])].values["lr"].tolist() == [5.0, 1.0]
    assert every[1:3].values["gamma"] == 0.9
    assert every.row(3) == {"lr": 4.0, "gamma": 0.9}


def test_defaults_come_from_the_entry_and_for_a_bare_rule_from_the_rule() -> None:
    spec = OPTIMIZERS["rmsprop-torch"]
    given = Configurations({"lr": torch.tensor([0.1, 0.2])})
    filled = Training(ELLIPSE, spec, [1], 5).filled(given)
    assert {name: value for name, value in filled.values.items() if name != "lr"} == {"gamma": 0.99, "eps": 1e-8}
    assert len(filled) == 2
    bare = Training(ELLIPSE, RMSProp(eps_inside=False), [1], 5).filled(given)
    assert (bare.values["gamma"], bare.values["eps"]) == (0.9, 1e-6)


def test_a_bare_rule_takes_any_schedule_of_a_hyperparameter_it_has() -> None:
    assert Training(ELLIPSE, RMSProp(), [1], 5, schedules={"gamma": Cosine()}).name == "RMSProp"
    with pytest.raises(UsageError, match="RMSProp has no hyperparameter 'gama'; it has lr, gamma, eps"):
        Training(ELLIPSE, RMSProp(), [1], 5, schedules={"gama": Cosine()})


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        (OPTIMIZERS["sgd"], {"seeds": []}, "at least one seed"),
        (OPTIMIZERS["sgd"], {"seeds": [1, 1]}, "each once"),
        (OPTIMIZERS["sgd"], {"steps": 0}, "at least 1"),
        (OPTIMIZERS["sgd"], {"evaluate_every": 0}, "at least 1"),
        (OPTIMIZERS["sgd"], {"schedules": {"gamma": Cosine()}}, "sgd has no hyperparameter 'gamma'; it has lr"),
        (OPTIMIZERS["rmsprop"], {"schedules": {"gamma": Cosine()}}, "does not fit rmsprop's gamma"),
        (make_optimizer("torch:SGD"), {"keep_updates": True}, "torch:SGD is a foreign optimizer"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_begins(optimizer, options, message) -> None:
    with pytest.raises(UsageError, match=message):
        Training(ELLIPSE, optimizer, **{"seeds": [1], "steps": 5, **options})

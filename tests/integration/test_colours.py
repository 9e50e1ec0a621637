"""The families of colours are those of the registry."""

from __future__ import annotations

from itertools import chain

from analysis.figures.families import FAMILIES, place_of
from benchmarks.registry import OPTIMIZERS
from optimizers.builtin import BUILTIN


def test_every_optimizer_of_the_registry_has_a_place_in_one_family_and_nothing_else_has() -> None:
    members = list(chain.from_iterable(family.members for family in FAMILIES))
    assert len(members) == len(set(members))
    assert set(members) == {spec.name for spec in BUILTIN}
    assert all(place_of(spec.name) is not None for spec in BUILTIN)
    assert set(members) <= set(OPTIMIZERS)

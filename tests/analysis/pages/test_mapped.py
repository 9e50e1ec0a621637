"""Different problems or optimizers are compared where the user asks for it, and else it is said how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.measures.pooling import PoolingError
from analysis.pages.compare import compare
from analysis.pages.mapped import compare_mapped
from analysis.record.cells import Cell, Record


def only(record: Record, optimizer: str) -> Record:
    return replace(record, cells=tuple(cell for cell in record if cell.optimizer == optimizer))


def test_one_optimizer_is_compared_with_another_where_the_user_asks(record: Record) -> None:
    a, b = only(record, "sgd"), only(record, "rmsprop")
    with pytest.raises(PoolingError, match="--map OLD=NEW pairs different names"):
        compare(a, b)
    found = compare_mapped(a, b, {"sgd": "rmsprop"})
    assert len(found.pairs) == len(a.cells)
    assert found.other_code == ()
    assert found.notes[-1] == "As asked for, sgd of A stands against rmsprop of B."
    back = compare_mapped(b, a, {"rmsprop": "sgd"})
    assert [pair.change.value for pair in found.pairs] == pytest.approx([-pair.change.value for pair in back.pairs])


def test_gaps_of_different_problems_are_each_to_its_own_floor(record: Record) -> None:
    (cell, *_) = [cell for cell in record if cell.floor is not None]
    moved = _with_floor(cell, floor=7.0)
    a, b = replace(record, cells=(cell,)), replace(record, cells=(moved,))
    found = compare_mapped(a, b, {cell.problem: "elsewhere"})
    (pair,) = found.pairs
    assert pair.verdict in ("equal", "undecided")
    assert pair.change.value == pytest.approx(0.0, abs=1e-6)
    assert any("a smaller gap may be an easier problem" in note for note in found.notes)


def test_a_name_that_a_record_does_not_have_is_refused(record: Record) -> None:
    with pytest.raises(PoolingError, match="record B has no problem, optimizer or schedule 'adamm'"):
        compare_mapped(record, record, {"sgd": "adamm"})


def test_without_names_it_is_the_plain_comparison(record: Record) -> None:
    assert compare_mapped(record, record, {}).to_json() == compare(record, record).to_json()


def _with_floor(cell: Cell, floor: float) -> Cell:
    """The same runs on a problem of another name whose losses all lie higher."""
    info = cell.info
    problem = replace(info.problem, name="elsewhere", fingerprint="another", minimum=floor)
    other = Cell(cell.path, replace(info, problem=problem))
    assert cell.floor is not None
    losses = ("loss", "start_loss", "final_loss", "best_loss")
    for name in ("runs", "curves", "landscape"):
        table = getattr(cell, name)
        shifted = {column: table[column] + floor - cell.floor for column in losses if column in table}
        other.__dict__[name] = table.assign(**shifted)
    return other

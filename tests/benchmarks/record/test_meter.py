"""A worker tells how far its cell is, and a time budget ends inside a landscape."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record import meter as meters
from benchmarks.record.checkpoints import Checkpoints, OutOfTime
from benchmarks.record.meter import Meter, forget_meters, read_meters
from benchmarks.suite.settings import Searching
from benchmarks.tuning.landscape import landscape
from benchmarks.tuning.space import Space

SPEC = OPTIMIZERS["rmsprop"]
TRAINING = Training(make_problem("quadratic(dim=5)"), SPEC, [1, 2], 100, 50)
SPACE = Space.of(SPEC, Searching())


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meters write at every call."""
    monkeypatch.setattr(meters, "EVERY", 0.0)


def test_the_updates_of_a_training_are_told_as_they_are_made() -> None:
    told: list[int] = []
    train(TRAINING, {"lr": torch.tensor([0.1, 1e9], dtype=torch.float64)}, on_segment=told.append)
    assert len(told) >= 4
    assert sum(told) == 2 * 2 * 100  # the lanes that diverged count as done


@pytest.mark.usefixtures("always")
def test_the_share_of_every_running_cell_is_read(tmp_path: Path) -> None:
    one, other = Meter(tmp_path / "unfinished", "one", 200), Meter(tmp_path / "unfinished", "other", 10)
    one.add(50)
    other.add(100)
    (tmp_path / "unfinished" / "broken.progress").write_text("")
    assert read_meters(tmp_path / "unfinished") == {"one": 0.25, "other": 1.0}
    one.close()
    assert "one" not in read_meters(tmp_path / "unfinished")
    forget_meters(tmp_path / "unfinished")
    assert list((tmp_path / "unfinished").iterdir()) == []


@pytest.mark.usefixtures("always")
def test_a_landscape_is_counted_to_its_end(tmp_path: Path) -> None:
    meter = Meter(tmp_path, "map", 6 * 2 * 100)
    landscape(TRAINING, SPACE, (3, 2), checkpoints=Checkpoints(meter=meter))
    assert read_meters(tmp_path) == {"map": 1.0}


def test_what_the_disk_refuses_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(meters, "EVERY", 0.0)
    monkeypatch.setattr(Path, "write_text", full)
    Meter(tmp_path, "cell", 10).add(5)
    assert read_meters(tmp_path) == {}


def test_a_deadline_ends_a_trace_before_its_end_but_never_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    checkpoints = Checkpoints(deadline=10.0)
    checkpoints.passed(1)
    now[0] = 11.0
    checkpoints.passed(1)  # of the first trace: without it a short budget would never get further
    checkpoints.made.append("a trace")
    with pytest.raises(OutOfTime):
        checkpoints.within("part").passed(1)


def test_a_landscape_that_was_broken_off_inside_a_group_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.tuning.landscape.GROUP", 1.0)
    monkeypatch.setattr("benchmarks.record.checkpoints.WORTH_KEEPING", 0.0)
    training = Training(TRAINING.problem, SPEC, [1, 2], 100, 50)
    small = Training(_chunked(training), SPEC, [1, 2], 100, 50)
    whole = landscape(small, SPACE, (3, 2))
    looks = [0]

    def late() -> float:
        looks[0] += 1
        return 0.0 if looks[0] < 8 else 100.0  # the clock is looked at once a segment: this is inside the second group

    monkeypatch.setattr(time, "time", late)
    with pytest.raises(OutOfTime):
        landscape(small, SPACE, (3, 2), checkpoints=Checkpoints(tmp_path / "kept", 10.0))
    kept = list((tmp_path / "kept").iterdir())
    assert 1 <= len(kept) < 3
    again = landscape(small, SPACE, (3, 2), checkpoints=Checkpoints(tmp_path / "kept"))
    assert torch.equal(again.final_loss.nan_to_num(-1), whole.final_loss.nan_to_num(-1))


def _chunked(training: Training) -> object:
    """Its problem, trained two configurations at a time."""
    from dataclasses import replace

    class Small(type(training.problem)):  # type: ignore[misc]
        @property
        def facts(self):  # type: ignore[no-untyped-def]
            return replace(super().facts, chunk=4)

    return Small(dim=5)

"""The data of a training: drawn once, stacked a segment at a time, kept where it is small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from benchmarks.engine import segments
from benchmarks.engine.segments import SEGMENT, Data, Segment
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from problems import Batch, Facts, Problem

SGD = OPTIMIZERS["sgd"]
SINGLE = torch.empty(0)


@dataclass(frozen=True, eq=False)
class Drawn(Problem):
    """A bowl whose batches are counted, each of one tensor of its step's number; odd ones have two numbers or one."""

    even: bool = True

    facts = Facts(dim=2, steps=50, deterministic=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "draws", [])

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.ones(len(seeds), 2, dtype=torch.float64)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        for step in range(steps):
            self.draws.append(step)  # type: ignore[attr-defined]
            yield torch.full((len(seeds), 2 if self.even or step % 2 else 1), step, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        assert isinstance(batch, Tensor) or batch is None
        return x.square().sum(-1) + (0.0 if batch is None else batch.sum(-1))


def test_a_training_that_trains_again_draws_no_data_again() -> None:
    problem = Drawn()
    training = Training(problem, SGD, [1, 2], 50, evaluate_every=20)
    first, again = (train(training, {"lr": torch.tensor([0.1, 0.2])}) for _ in range(2))
    assert problem.draws == list(range(50))  # type: ignore[attr-defined]
    assert torch.equal(first.loss, again.loss)


def test_data_that_takes_more_than_is_kept_is_drawn_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "KEPT", 32 * 2 * 2 * 4)  # a segment of 32 steps, two seeds and two numbers
    problem = Drawn()
    data = Data(problem, [1, 2], [0, 50], SINGLE)
    assert [len(segment) for segment in data.segments()] == [SEGMENT, 18]
    assert data.kept is None
    assert [len(segment) for segment in data.segments()] == [SEGMENT, 18]
    assert problem.draws == [*range(50), *range(50)]  # type: ignore[attr-defined]


def test_data_is_kept_though_nobody_asks_on_after_the_last_segment() -> None:
    data = Data(Drawn(), [1, 2], [0, 7, 50], SINGLE)
    asked = data.segments()
    lengths = [len(next(asked)) for _ in range(3)]
    assert data.kept is not None
    assert [len(segment) for segment in data.kept] == lengths == [7, SEGMENT, 11]


def test_a_segment_holds_its_batches_stacked_without_a_gap_in_the_precision_of_the_run() -> None:
    problem, seeds = make_problem("airfoil"), [3, 1, 2]
    (segment,) = Data(problem, seeds, [0, 5], torch.empty(0, dtype=torch.float64)).segments()
    rows, targets = segment.parts or ()
    assert rows.shape == (5, 3, 10, 6)
    assert targets.shape == (5, 3, 10)
    assert rows.is_contiguous()
    assert rows.dtype == torch.float64
    for place, (batch, drawn) in enumerate(zip(segment.batches, problem.batches(seeds, 5), strict=True)):
        assert isinstance(batch, tuple)
        assert isinstance(drawn, tuple)
        assert batch[0].data_ptr() == rows[place].data_ptr()
        assert all(torch.equal(ours, theirs.double()) for ours, theirs in zip(batch, drawn, strict=True))


def test_a_segment_without_data_has_no_parts_and_one_with_uneven_batches_none_that_are_stacked() -> None:
    (nothing,) = Data(make_problem("ellipse"), [1], [0, 3], SINGLE).segments()
    assert (list(nothing.batches), nothing.parts) == ([None] * 3, ())
    (uneven,) = Data(Drawn(even=False), [1], [0, 3], SINGLE).segments()
    assert uneven.parts is None
    assert [batch.shape for batch in uneven.batches if isinstance(batch, Tensor)] == [(1, 1), (1, 2), (1, 1)]
    (single,) = Data(Drawn(), [1], [0, 3], SINGLE).segments()
    assert [part.shape for part in single.parts or ()] == [(3, 1, 2)]
    assert all(isinstance(batch, Tensor) for batch in single.batches)


def test_batches_that_are_large_together_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "KEPT", 100)
    shared = torch.ones(1, 20)  # as of a problem that looks at all of its data at every step
    segment = Segment.of([shared] * 3, SINGLE)
    assert segment.parts is None
    assert all(batch is shared for batch in segment.batches)

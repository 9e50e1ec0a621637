"""Lanes of a function written for one: together through vmap, or one by one, and what either costs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from textwrap import shorten
from typing import Final

import torch
from torch import Tensor
from torch.func import vmap

__all__ = ["Tensors", "at_once", "checked", "explain", "one_by_one"]

Tensors = tuple[Tensor, ...]
"""What a module reads, and last the target: tensors with one row for each example."""

OfLane = Callable[..., Tensors]
"""From one lane's parameters ``[P]`` and its rows to some numbers."""

LONGEST: Final = 120  # characters of what vmap says, lest the way out be cut off

WORTH_IT = 1.1  # times faster than one at a time: less is noise


def at_once(of_lane: OfLane, lanes: Tensor, batch: Tensors) -> Tensors:
    """The values ``[c, S]`` of ``lanes [c, S, P]`` in one call; lanes of a seed share its rows, ``batch [S, ...]``.

    Raises ``RuntimeError`` where vmap cannot, with the way out.
    """
    try:
        return _batched(of_lane, lanes, batch)
    except RuntimeError as error:
        said = str(error)
        if not re.search("vmap|atching rule|data pointer", said):
            raise
        if "data pointer" in said:  # as of tensor.numpy()
            way = "numbers that leave torch have no gradient; stay with its tensors"
        elif "random" in said:
            way = "draw no random numbers, or give lanes=False, which trains the module as it is, its seed fixing them"
        else:
            way = "chunk=1 trains one lane at a time, lanes=False the module as it is"
        raise RuntimeError(f"{shorten(said.splitlines()[0], LONGEST, placeholder=' …')} ({way})") from error


def _batched(of_lane: OfLane, lanes: Tensor, batch: Tensors) -> Tensors:
    shared = (0, *[None] * len(batch))
    if lanes.shape[1] == 1:  # rows that are no lane's own keep the products with them large
        values: Tensors = vmap(of_lane, shared)(lanes[:, 0], *(part[0] for part in batch))
        return tuple(value.unsqueeze(-1) for value in values)
    nested: Tensors = vmap(vmap(of_lane), shared)(lanes, *batch)
    return nested


def one_by_one(of_lane: OfLane, lanes: Tensor, batch: Tensors) -> Tensors:
    """The same values without vmap."""
    seeds = range(lanes.shape[1])
    values = [[of_lane(lane[s], *(part[s] for part in batch)) for s in seeds] for lane in lanes]
    stacked = [[torch.stack(value) for value in zip(*row, strict=True)] for row in values]
    return tuple(torch.stack(rows) for rows in zip(*stacked, strict=True))


def checked(data: Tensors, name: str = "data") -> Tensors:
    """``data`` itself, which is called ``name``.

    Raises ``ValueError`` unless it is tensors with one row for each example, all of whose numbers are finite.
    """
    if not all(isinstance(part, Tensor) for part in data):
        kinds = ", ".join(type(part).__name__ for part in data)
        raise ValueError(f"data are torch tensors, inputs first and the target last; got {kinds}")
    if len({len(part) for part in data}) != 1:
        raise ValueError(
            f"data have one row for each example, got {' and '.join(str(len(part)) for part in data)} rows"
        )
    for place, part in enumerate(data):
        wrong = int((~part.isfinite()).sum())
        if wrong:
            row = int((~part.isfinite()).reshape(len(part), -1).any(-1).int().argmax())
            role = "the target" if place == len(data) - 1 else f"input {place + 1}"
            raise ValueError(
                f"{role} of {name}, {list(part.shape)}, holds {wrong} value{'s' if wrong > 1 else ''} that "
                f"{'are' if wrong > 1 else 'is'} nan or inf, the first in row {row}; drop those rows or fill them in"
            )
    return data


def explain(cost: Callable[[int], float], chunks: Sequence[int], chosen: int) -> str:
    """The seconds a lane-step that ``cost`` measures for each of ``chunks``, as lines of text, and what follows."""
    lines, costs = [], {}
    for chunk in chunks:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                costs[chunk] = cost(chunk)
            except RuntimeError as error:  # what vmap raises for an operation it cannot batch
                lines.append(f"{chunk:>4} at once: cannot be batched: {str(error).splitlines()[0]}")
                continue
        slow = {name for warning in caught for name in re.findall(r"batching rule for (\S+)\. ", str(warning.message))}
        note = f"; torch runs {', '.join(sorted(slow))} one by one" if slow else ""
        lines.append(f"{chunk:>4} at once: {costs[chunk] * 1e6:.0f} us a lane-step{note}")
    if 1 in costs:
        lines.append(f"{_advice(costs)}; this problem uses chunk={chosen}")
    return "\n".join(lines)


def _advice(costs: Mapping[int, float]) -> str:
    best = min(costs, key=lambda chunk: costs[chunk])
    gain = costs[1] / costs[best]
    if gain < WORTH_IT:
        return "take chunk=1: its operations are large or cannot be batched, so lanes gain nothing together"
    return f"take chunk={best}: {gain:.1f} times faster than one at a time, for its operations are small"

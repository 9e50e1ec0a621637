"""Sequence problems: a recurrent network and a transformer that learn which bracket comes next in generated text."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from problems.module import ModuleProblem, Tensors
from problems.problem import ProblemSpec, generator

__all__ = [
    "DEPTH",
    "KINDS",
    "SPECS",
    "CharGRU",
    "TinyTransformer",
    "bracket_text",
    "causal_attention",
    "char_gru",
    "next_character",
    "tiny_transformer",
]

KINDS = 4  # of brackets: opening ones are characters 0 to 3, closing ones 4 to 7
DEPTH = 6
LENGTH = 32  # characters a window
TRAINED, HELD = 256, 64  # windows


def bracket_text(length: int, seed: int = 0) -> Tensor:
    """Balanced brackets of four kinds ``[length]``, nested up to six deep: as likely to open as to close.

    Which bracket closes is decided by the innermost open one, so that predicting it takes a memory of the text. Where
    both are possible a perfect memory is left with log 2 + log(4)/2 = 1.386 nats a character, and at full depth with 0.
    """
    rng = generator(seed, "bracket text")
    choices, kinds = rng.random(length), rng.integers(KINDS, size=length)
    text, still_open = [], list[int]()
    for choice, kind in zip(choices, kinds.tolist(), strict=True):
        if not still_open or (len(still_open) < DEPTH and choice < 0.5):
            still_open.append(kind)
            text.append(kind)
        else:
            text.append(KINDS + still_open.pop())
    return torch.tensor(text)


class CharGRU(nn.Module):
    """A gated recurrent unit over characters and a linear readout (Cho et al. 2014; torch's variant of the gates).

    Written out, because the fused `torch.nn.GRU` cannot be batched over lanes.
    """

    def __init__(self, characters: int, hidden: int) -> None:
        super().__init__()
        self.reads = nn.Embedding(characters, 3 * hidden)  # what a character adds to the three gates
        self.recalls = nn.Linear(hidden, 3 * hidden)
        self.readout = nn.Linear(hidden, characters)

    def forward(self, text: Tensor) -> Tensor:
        """Logits ``[B, T, K]`` of the character after each of ``text [B, T]``."""
        read = self.reads(text)
        hidden = torch.zeros_like(read[:, 0, : self.recalls.in_features])
        states = []
        for step in read.unbind(1):
            read_gates, read_new = step.tensor_split([2 * hidden.shape[-1]], -1)
            recalled_gates, recalled_new = self.recalls(hidden).tensor_split([2 * hidden.shape[-1]], -1)
            reset, keep = torch.sigmoid(read_gates + recalled_gates).chunk(2, -1)
            new = torch.tanh(read_new + reset * recalled_new)
            hidden = new + keep * (hidden - new)
            states.append(hidden)
        logits: Tensor = self.readout(torch.stack(states, 1))
        return logits


class TinyTransformer(nn.Module):
    """One pre-norm transformer block with causal attention and learned positions (Vaswani et al. 2017)."""

    def __init__(self, characters: int, length: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.characters, self.positions = nn.Embedding(characters, width), nn.Embedding(length, width)
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attends, self.mixes = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.readout = nn.Linear(width, characters)

    def forward(self, text: Tensor) -> Tensor:
        """Logits ``[B, T, K]`` of the character after each of ``text [B, T]``."""
        stream = self.characters(text) + self.positions.weight[: text.shape[1]]
        seen = causal_attention(self.attends(self.before_attention(stream)), self.heads)
        stream = stream + self.mixes(seen)
        logits: Tensor = self.readout(stream + self.mlp(self.before_mlp(stream)))
        return logits


def causal_attention(joined: Tensor, heads: int) -> Tensor:
    """What each place sees of itself and those before it ``[B, T, W]``.

    ``joined [B, T, 3 W]`` is query, key and value. Written out, because torch's fused attention cannot be batched over
    lanes.
    """
    query, key, value = (torch.unflatten(part, -1, (heads, -1)).transpose(1, 2) for part in joined.chunk(3, -1))
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=joined.device).triu(1)
    seen: Tensor = scores.masked_fill(future, -math.inf).softmax(-1) @ value
    return seen.transpose(1, 2).flatten(2)


def next_character(logits: Tensor, following: Tensor) -> Tensor:
    """The mean cross-entropy of ``logits [B, T, K]`` for the characters that follow ``[B, T]``, in nats a character."""
    return cross_entropy(logits.flatten(0, 1), following.flatten())


def char_gru(hidden: int = 32, batch: int = 16) -> ModuleProblem:
    """A GRU that reads windows of 32 characters of balanced brackets, 256 to train on and 64 held out."""
    if hidden < 1 or not 1 <= batch <= TRAINED:
        raise ValueError(f"char-gru needs hidden >= 1 and 1 <= batch <= {TRAINED}, got {hidden} and {batch}")
    return ModuleProblem(
        lambda: CharGRU(2 * KINDS, hidden),
        next_character,
        _trained,
        heldout=_held,
        batch=batch,
        steps=320,
        target=1.5,
        tags=("nonconvex", "neural", "text"),
        chunk=64,
        lanes=True,
    )


def tiny_transformer(width: int = 32, heads: int = 2, batch: int = 8) -> ModuleProblem:
    """A transformer of one block on the same windows. Raises ``ValueError`` where heads do not divide the width."""
    if heads < 1 or width < 1 or width % heads or not 1 <= batch <= TRAINED:
        raise ValueError(
            f"tiny-transformer needs a width that is a multiple of heads and 1 <= batch <= {TRAINED}, "
            f"got {width}, {heads} and {batch}"
        )
    return ModuleProblem(
        lambda: TinyTransformer(2 * KINDS, LENGTH, width, heads),
        next_character,
        _trained,
        heldout=_held,
        batch=batch,
        steps=320,
        target=1.6,
        tags=("nonconvex", "neural", "text"),
        chunk=16,
        lanes=True,
    )


def _trained() -> Tensors:
    text, following = _windows()
    return text[:TRAINED], following[:TRAINED]


def _held() -> Tensors:
    text, following = _windows()
    return text[TRAINED:], following[TRAINED:]


@cache
def _windows() -> Tensors:
    """Windows ``[N, T]`` one after another, and the same one character on."""
    text = bracket_text((TRAINED + HELD) * LENGTH + 1)
    return text[:-1].view(-1, LENGTH), text[1:].view(-1, LENGTH)


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("char-gru", char_gru, "recurrent network that predicts brackets", "Cho et al. 2014"),
    ProblemSpec(
        "tiny-transformer", tiny_transformer, "one-block transformer that predicts brackets", "Vaswani et al. 2017"
    ),
)
"""The problems of this file."""

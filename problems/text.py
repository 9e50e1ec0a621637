"""A language model of real English: what character comes next in four tragedies of Shakespeare.

The text is in the public domain: Hamlet, Othello, King Lear and Macbeth one after another, 583,823 characters of 70
kinds, as the package shakespeare 0.6 (Open Knowledge Foundation, 2008) ships them, which has them from Project
Gutenberg. It lies here, gzipped, in ``texts/tragedies.txt.gz``.

A model that knew how often each character comes would lose `UNIGRAM` nats a character on it, one that knew how often
each follows each `BIGRAM`: the line that whatever looks further back should get below.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache, partial
from importlib import resources

import torch
from torch import Tensor, nn

from problems.data import Split, share_of, shared_rows, split_rows
from problems.module import ModuleProblem, Tensors
from problems.problem import ProblemSpec, generator
from problems.sequence import CharGRU, causal_attention, next_character

__all__ = [
    "BIGRAM",
    "CHARACTERS",
    "SPECS",
    "UNIGRAM",
    "WINDOWS",
    "CharTransformer",
    "encoded",
    "text_gru",
    "text_transformer",
    "tragedies",
    "windows",
]

CHARACTERS = 70
LENGTH = 32  # characters a window
WINDOWS = 16420  # to train on: nine tenths
MEASURED = 256  # windows of either part that evaluation looks at: all would cost more than the training
UNIGRAM = 3.296  # nats: the entropy of a character of the windows trained on
BIGRAM = 2.465  # nats: its conditional entropy given the character before it
WIDTH, HEAD = 32, 16  # of the stream at scale 1, and of an attention head


@cache
def tragedies() -> str:
    """The text, ASCII."""
    packed = resources.files("problems").joinpath("texts/tragedies.txt.gz").read_bytes()
    return gzip.decompress(packed).decode("ascii")


@cache
def encoded() -> Tensor:
    """The text as numbers ``[N]``: the places of its characters in their alphabet."""
    text = torch.frombuffer(bytearray(tragedies().encode("ascii")), dtype=torch.uint8)
    numbers: Tensor = torch.unique(text, return_inverse=True)[1]
    return numbers


@cache
def windows() -> Split:
    """Windows ``[N, 32]`` of the text, shuffled, and as labels the same one character on; a tenth is held out."""
    text = encoded()
    whole = (len(text) - 1) // LENGTH * LENGTH
    return split_rows("text windows", text[:whole].view(-1, LENGTH), text[1 : whole + 1].view(-1, LENGTH), WINDOWS)


class CharTransformer(nn.Module):
    """Pre-norm transformer blocks with causal attention and learned positions (Radford et al. 2019).

    Embeddings start as N(0, 0.02²), which lets the blocks be heard from the beginning.
    """

    def __init__(self, characters: int, length: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.characters, self.positions = nn.Embedding(characters, width), nn.Embedding(length, width)
        for embedding in (self.characters, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.readout = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, characters))

    def forward(self, text: Tensor) -> Tensor:
        """Logits ``[B, T, K]`` of the character after each of ``text [B, T]``."""
        stream = self.characters(text) + self.positions.weight[: text.shape[1]]
        logits: Tensor = self.readout(self.blocks(stream))
        return logits


class _Block(nn.Module):
    """Attention, then a network of one hidden layer four times as wide; each adds to the stream."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attends = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * width))
        self.mixes = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, stream: Tensor) -> Tensor:
        stream = stream + self.mixes(causal_attention(self.attends(stream), self.heads))
        added: Tensor = self.mlp(stream)
        return stream + added


def text_gru(hidden: int = 64, batch: int = 16, noise: float = 0.0, share: float = 1.0) -> ModuleProblem:
    """A GRU of ``hidden`` units that reads windows of 32 characters.

    ``noise`` is the share of the characters to predict that are replaced by any of the alphabet, ``share`` the part of
    the windows to train on. Raises ``ValueError`` for a value out of range.
    """
    if hidden < 1:
        raise ValueError(f"text-gru needs hidden >= 1, got {hidden}")
    return _reader(lambda: CharGRU(CHARACTERS, hidden), batch, noise, share, steps=300, chunk=16)


def text_transformer(
    scale: int = 1, depth: int = 2, batch: int = 16, noise: float = 0.0, share: float = 1.0
) -> ModuleProblem:
    """A transformer of ``depth`` blocks, 32 ``scale`` wide with heads of 16, on the same windows.

    At depth 2 the scales 1 to 6 are 31, 111, 240, 419, 646 and 923 thousand parameters. ``noise`` and ``share`` are
    those of `text_gru`. Raises ``ValueError`` for a value out of range.
    """
    if scale < 1 or depth < 1:
        raise ValueError(f"text-transformer needs scale, depth >= 1, got {scale} and {depth}")
    width = WIDTH * scale
    return _reader(
        lambda: CharTransformer(CHARACTERS, LENGTH, width, depth, width // HEAD),
        batch,
        noise,
        share,
        steps=400,
        chunk=max(1, 16 // scale**2),
    )


def _reader(
    module: Callable[[], nn.Module], batch: int, noise: float, share: float, steps: int, chunk: int
) -> ModuleProblem:
    rows = shared_rows(WINDOWS, share)
    if not 1 <= batch <= rows or not 0 <= noise <= 1:
        raise ValueError(f"a text takes 1 <= batch <= {rows} windows and noise in [0, 1], got {batch} and {noise}")
    return ModuleProblem(
        module,
        next_character,
        partial(_trained, noise, share),
        heldout=_held,
        batch=batch,
        steps=steps,
        target=BIGRAM,
        tags=("nonconvex", "neural", "text"),
        chunk=chunk,
        measured=MEASURED,
        lanes=True,
    )


def _trained(noise: float, share: float) -> Tensors:
    split = share_of(windows(), share)
    if not noise:
        return split.inputs, split.labels
    rng = generator(0, "misprints")
    replaced = torch.from_numpy(rng.random(split.labels.shape) < noise)
    return split.inputs, torch.where(
        replaced, torch.from_numpy(rng.integers(CHARACTERS, size=replaced.shape)), split.labels
    )


def _held() -> Tensors:
    return windows().held_inputs, windows().held_labels


SOURCE = "public-domain text of Project Gutenberg, in shakespeare 0.6"

SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "text-gru",
        text_gru,
        "recurrent network that predicts the characters of four tragedies; to beat: bigrams",
        f"Cho et al. 2014; {SOURCE}",
    ),
    ProblemSpec(
        "text-transformer",
        text_transformer,
        "two-block transformer, of any scale up to a million parameters, on the same text; to beat: bigrams",
        f"Radford et al. 2019; {SOURCE}",
    ),
)
"""The problems of this file."""

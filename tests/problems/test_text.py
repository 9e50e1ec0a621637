"""The tragedies and their readers: the known text, its entropies counted otherwise, and torch's own layers."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import pytest
import torch
from torch import nn

from problems.text import (
    BIGRAM,
    CHARACTERS,
    UNIGRAM,
    WINDOWS,
    CharTransformer,
    encoded,
    text_gru,
    text_transformer,
    tragedies,
    windows,
)


def test_the_text_is_the_four_tragedies_letter_by_letter() -> None:
    text = tragedies()
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "6ba104a41c8e98f655ac823bc23c0b2e0c647cb9b67e2c6d32b0ee401306d2ae"
    )
    assert "To be, or not to be,--that is the question:--" in text
    assert [text.index(title) for title in ("HAMLET, PRINCE", "OTHELLO, THE", "KING LEAR", "MACBETH\n")] == sorted(
        text.index(title) for title in ("HAMLET, PRINCE", "OTHELLO, THE", "KING LEAR", "MACBETH\n")
    )
    assert "Gutenberg" not in text  # whose name only its own editions may bear
    alphabet = sorted(set(text))
    assert "".join(alphabet[place] for place in encoded()[:1000].tolist()) == text[:1000]
    assert len(alphabet) == CHARACTERS


def test_windows_are_the_text_in_pieces_and_targets_one_character_on() -> None:
    split, text = windows(), encoded()
    inputs = torch.cat([split.inputs, split.held_inputs])
    labels = torch.cat([split.labels, split.held_labels])
    pieces = text[: len(inputs) * 32].view(-1, 32)

    assert len(split.inputs) == WINDOWS == round(0.9 * len(inputs))
    assert sorted(inputs.tolist()) == sorted(pieces.tolist())
    assert torch.equal(inputs[:, 1:], labels[:, :-1])
    assert torch.bincount(labels.flatten(), minlength=CHARACTERS).sub(torch.bincount(text[1:])).abs().max() <= 32


def test_the_lines_to_beat_are_the_entropies_of_what_is_trained_on() -> None:
    split = windows()
    pairs = Counter(zip(split.inputs.flatten().tolist(), split.labels.flatten().tolist(), strict=True))
    before, after = Counter(), Counter()
    for (first, second), count in pairs.items():
        before[first] += count
        after[second] += count
    total = pairs.total()

    bigram = sum(count * math.log(before[first] / count) for (first, _), count in pairs.items()) / total
    unigram = sum(count * math.log(total / count) for count in after.values()) / total
    assert (bigram, unigram) == (pytest.approx(BIGRAM, abs=5e-4), pytest.approx(UNIGRAM, abs=5e-4))
    assert text_gru().target == text_transformer(2).target == BIGRAM


def test_a_model_that_knows_bigrams_loses_their_entropy() -> None:
    problem, split = text_gru(), windows()
    counts = torch.zeros(CHARACTERS, CHARACTERS).index_put_(
        (split.inputs.flatten(), split.labels.flatten()), torch.tensor(1.0), accumulate=True
    )
    logits = (counts / counts.sum(1, keepdim=True)).log()[split.inputs]
    assert problem.module_loss(logits, split.labels).item() == pytest.approx(BIGRAM, abs=5e-4)


def test_a_transformer_equals_one_of_torchs_encoder_layers() -> None:
    ours = CharTransformer(9, 12, 16, 2, 2).double()
    layers = [
        nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", norm_first=True, batch_first=True).double() for _ in range(2)
    ]
    with torch.no_grad():
        for layer, block in zip(layers, ours.blocks, strict=True):
            theirs = [*layer.norm1.parameters(), *layer.self_attn.parameters()]
            theirs += [*layer.norm2.parameters(), *layer.linear1.parameters(), *layer.linear2.parameters()]
            for number, (their, our) in enumerate(
                zip(
                    theirs,
                    [*block.attends.parameters(), *block.mixes.parameters(), *block.mlp.parameters()],
                    strict=True,
                )
            ):
                our.copy_(torch.linspace(-1, 1, our.numel(), dtype=our.dtype).mul(9 + number).sin().view_as(our) / 3)
                their.copy_(our)
    text = (torch.arange(24) ** 2 % 9).view(2, 12)
    stream = ours.characters(text) + ours.positions.weight
    for layer in layers:
        stream = layer(stream, src_mask=nn.Transformer.generate_square_subsequent_mask(12, dtype=stream.dtype))

    assert torch.allclose(ours(text), ours.readout(stream), rtol=1e-10, atol=1e-10)


def test_a_prediction_never_sees_what_follows() -> None:
    network = CharTransformer(9, 12, 16, 2, 2)
    text = (torch.arange(24) ** 2 % 9).view(2, 12)
    changed = text.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 9

    assert torch.equal(network(text)[:, :7], network(changed)[:, :7])
    assert not torch.equal(network(text)[:, 7:], network(changed)[:, 7:])


def test_scales_go_up_to_a_million_parameters() -> None:
    sizes = [text_transformer(scale).dim for scale in range(1, 7)]
    assert sizes == [31046, 111174, 240454, 418886, 646470, 923206]
    assert text_transformer(1, depth=4).dim > 1.7 * sizes[0]
    assert text_gru(128).dim > 2 * text_gru().dim


def test_misprints_replace_a_share_of_what_is_to_be_predicted_and_of_nothing_held_out() -> None:
    clean, noisy = text_gru(), text_gru(noise=0.2)
    changed = (noisy._train[1] != clean._train[1]).double().mean().item()

    assert torch.equal(noisy._train[0], clean._train[0])
    assert changed == pytest.approx(0.2 * 69 / 70, rel=0.01)  # half a million draws
    assert all(torch.equal(*pair) for pair in zip(noisy._held, clean._held, strict=True))


def test_a_share_of_the_windows_is_their_beginning() -> None:
    whole, tenth = text_transformer()._train, text_transformer(share=0.1)._train
    assert len(tenth[0]) == WINDOWS // 10
    assert all(torch.equal(part, all_of_it[: len(part)]) for part, all_of_it in zip(tenth, whole, strict=True))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: text_gru(hidden=0), "text-gru needs hidden >= 1, got 0"),
        (lambda: text_transformer(scale=0), "scale, depth >= 1, got 0 and 2"),
        (lambda: text_transformer(depth=0), "scale, depth >= 1, got 1 and 0"),
        (lambda: text_gru(batch=16421), "batch <= 16420 windows .* got 16421"),
        (lambda: text_gru(noise=1.5), r"noise in \[0, 1\], got 16 and 1.5"),
        (lambda: text_gru(share=0.0), "at most 1; got 0.0"),
    ],
)
def test_a_parameter_out_of_range_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.slow
@pytest.mark.parametrize(("build", "lr"), [(text_gru, 1e-2), (text_transformer, 3e-3)])
def test_adam_gets_below_bigrams_also_on_what_is_held_out(build, lr: float, trained) -> None:
    metrics = trained(build(), lr)
    assert max(metrics["loss"], metrics["heldout_loss"]) < BIGRAM

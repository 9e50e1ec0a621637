"""Bracket text and the networks that read it: balanced, causal, and equal to torch's own cells."""

import pytest
import torch
from torch import nn

from problems.lenet import fashion_mnist_lenet, lenet, mnist_lenet
from problems.sequence import (
    DEPTH,
    KINDS,
    CharGRU,
    TinyTransformer,
    bracket_text,
    char_gru,
    next_character,
    tiny_transformer,
)


def test_every_closing_bracket_closes_the_innermost_open_one():
    still_open = []
    deepest = 0
    for character in bracket_text(5000).tolist():
        if character < KINDS:
            still_open.append(character)
        else:
            assert still_open.pop() == character - KINDS
        deepest = max(deepest, len(still_open))

    assert deepest == DEPTH


def test_the_text_is_a_function_of_its_seed_and_its_beginning_of_nothing_else():
    assert torch.equal(bracket_text(500), bracket_text(500))
    assert not torch.equal(bracket_text(500), bracket_text(500, seed=1))
    assert torch.bincount(bracket_text(5000)).min().item() > 400


def test_windows_follow_one_another_and_targets_are_one_character_on():
    problem = char_gru()
    text, following = (torch.cat(parts) for parts in zip(problem._train, problem._held, strict=True))

    assert (len(problem._train[0]), len(problem._held[0])) == (256, 64)
    assert torch.equal(torch.cat([text.flatten()[:1], following.flatten()]), bracket_text(320 * 32 + 1))
    assert torch.equal(text.flatten()[1:], following.flatten()[:-1])


def test_the_gru_equals_torchs():
    torch_gru = nn.GRU(8, 5, batch_first=True).double()
    ours = CharGRU(8, 5).double()
    with torch.no_grad():
        for parameter in torch_gru.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).sin().view_as(parameter))
        ours.reads.weight.copy_(torch_gru.weight_ih_l0.T + torch_gru.bias_ih_l0)
        ours.recalls.weight.copy_(torch_gru.weight_hh_l0)
        ours.recalls.bias.copy_(torch_gru.bias_hh_l0)
    text = bracket_text(24).view(2, 12)
    states, _ = torch_gru(nn.functional.one_hot(text, 8).double())

    assert torch.allclose(ours(text), ours.readout(states), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("network", [CharGRU(8, 5), TinyTransformer(8, 12, 8, 2)])
def test_a_prediction_never_sees_what_follows(network):
    text = bracket_text(24).view(2, 12)
    changed = text.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 8

    assert torch.equal(network(text)[:, :7], network(changed)[:, :7])
    assert not torch.equal(network(text)[:, 7:], network(changed)[:, 7:])


def test_the_attention_equals_torchs():
    block = TinyTransformer(8, 12, 8, 2).double()
    text = bracket_text(24).view(2, 12)
    stream = block.before_attention(block.characters(text) + block.positions.weight)
    torch_attention = nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        torch_attention.in_proj_weight.copy_(block.attends.weight)
        torch_attention.in_proj_bias.copy_(block.attends.bias)
        torch_attention.out_proj.weight.copy_(block.mixes.weight)
        torch_attention.out_proj.bias.copy_(block.mixes.bias)
    future = torch.ones(12, 12, dtype=torch.bool).triu(1)
    mixed, _ = torch_attention(stream, stream, stream, attn_mask=future, need_weights=False)
    after = block.characters(text) + block.positions.weight + mixed

    assert torch.allclose(
        block(text), block.readout(after + block.mlp(block.before_mlp(after))), rtol=1e-12, atol=1e-12
    )


def test_next_character_is_the_mean_over_all_places():
    logits = torch.linspace(-2, 2, 2 * 3 * 4).cos().view(2, 3, 4)
    following = torch.tensor([[0, 1, 2], [3, 2, 1]])
    expected = -logits.log_softmax(-1).gather(-1, following.unsqueeze(-1)).mean()

    assert next_character(logits, following).item() == pytest.approx(expected.item(), rel=1e-6)


def test_lenet_has_the_books_number_of_parameters():
    assert sum(parameter.numel() for parameter in lenet().parameters()) == 61706
    assert (mnist_lenet().dim, fashion_mnist_lenet().dim) == (61706, 61706)
    assert "network" in fashion_mnist_lenet().tags


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: char_gru(hidden=0), r"hidden >= 1 and .* got 0 and 16"),
        (lambda: tiny_transformer(width=32, heads=3), r"multiple of heads .* got 32, 3 and 8"),
        (lambda: char_gru(batch=257), "batch <= 256, got 32 and 257"),
        (lambda: mnist_lenet(batch=4001), "all 4000 rows, got batch=4001"),
    ],
)
def test_sizes_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()

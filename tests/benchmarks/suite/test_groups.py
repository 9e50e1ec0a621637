"""Parameter groups as a suite and the command line write them."""

from __future__ import annotations

import pytest

from benchmarks.cli.single_cell import single_cell_suite
from benchmarks.errors import SuiteError, UsageError
from benchmarks.suite.suite import Suite

SUITE = {"name": "grouped", "problems": ["char-gru"], "optimizers": ["sgd", "torch:AdamW"]}
GROUP = {"parameters": ["*.bias"], "weight_decay": 0.0}


def groups_of(**tables: object) -> list[list[dict[str, object]]]:
    """The groups of each cell of a suite with further ``tables``."""
    plans = Suite.checked({**SUITE, **tables}, "this test").cells()
    return [[group.model_dump() for group in plan.groups] for plan in plans]


def test_a_group_belongs_to_the_cells_of_its_table() -> None:
    whole = {"parameters": ["*.bias"], "dims": None, "optimizer": None, "weight_decay": 0.0}
    assert groups_of(optimizer={"torch:AdamW": {"groups": [GROUP]}}) == [[], [whole]]


def test_groups_that_are_given_last_count_and_none_takes_them_back() -> None:
    tables = {"optimizer": {"torch:AdamW": {"groups": [GROUP]}}, "cell": [{"optimizer": "torch:AdamW", "groups": []}]}
    assert groups_of(**tables) == [[], []]


def test_a_suite_with_groups_reads_back_as_an_equal_one() -> None:
    own = {"dims": [1], "optimizer": "torch:Adam", "lr": 0.1}
    suite = Suite.checked({**SUITE, "optimizer": {"torch:AdamW": {"groups": [GROUP, own]}}}, "this test")
    assert Suite.parse(suite.to_toml(), "again") == suite


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"parameters": ["*"]}, "a group of parameters has an optimizer or a hyperparameter of its own"),
        ({"parameters": [], "lr": 0.1}, "parameters"),
        ({"dims": [-1], "lr": 0.1}, "dims"),
        ({"lr": "fast"}, "optimizer.torch:AdamW.groups.0.lr: input should be a valid number"),
    ],
)
def test_a_group_that_says_nothing_is_refused(group: dict[str, object], words: str) -> None:
    with pytest.raises(SuiteError, match=words):
        groups_of(optimizer={"torch:AdamW": {"groups": [group]}})


def on_the_command_line(*groups: str) -> Suite:
    options = {"problem": "char-gru", "optimizer": "torch:Muon", "search": (), "fix": (), "group": groups}
    return single_cell_suite("tune", {}, {**options, "schedule": "constant", "plugins": (), "steps": None})


def test_the_command_line_writes_groups_as_a_suite_does() -> None:
    (plan,) = on_the_command_line("*.bias *norm* weight_decay=0", "dims=1,4 optimizer=torch:AdamW lr=0.001").cells()
    assert [(g.parameters, g.dims, g.optimizer, g.values) for g in plan.groups] == [
        (["*.bias", "*norm*"], None, None, {"weight_decay": 0.0}),
        (["*"], [1, 4], "torch:AdamW", {"lr": 0.001}),
    ]


def test_what_a_class_is_told_of_a_group_stays_true_or_false() -> None:
    told = {"dims": [2], "use_muon": True}
    suite = Suite.checked({**SUITE, "optimizer": {"torch:AdamW": {"groups": [told]}}}, "this test")
    written = on_the_command_line("dims=2 use_muon=true", "* use_muon=false").cells()[0].groups
    assert [group.values for group in written] == [{"use_muon": True}, {"use_muon": False}]
    assert [type(value) for group in written for value in group.values.values()] == [bool, bool]
    assert '"use_muon" = true' in suite.to_toml()
    assert Suite.parse(suite.to_toml(), "again") == suite


def test_other_groups_are_another_suite() -> None:
    names = {on_the_command_line(*groups).name for groups in ((), ("* lr=0.1",), ("* lr=0.2",))}
    assert len(names) == 3


def test_a_group_that_cannot_be_read_is_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"--group is written 'PATTERN KEY=VALUE', .* got '\* lr=fast'"):
        on_the_command_line("* lr=fast")

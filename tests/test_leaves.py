"""A leaf's tests know the leaf only: what tests several folders together stands in tests/integration."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
OURS = {"analysis", "benchmarks", "optimizers", "problems"}
LEAVES = ("analysis", "optimizers", "problems")
MEANT = {f"analysis/chapter/browser/test_{page}_in_a_browser.py" for page in ("chapter", "explorer")}
"""Integration tests that stand beside the fixtures they need: the explorer in the page trains as the engine does."""


def imported(file: Path) -> set[str]:
    """The top-level packages a file imports anywhere in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in whole | parts}


@pytest.mark.parametrize("leaf", LEAVES)
def test_the_tests_of_a_leaf_import_no_other_folder_of_ours(leaf: str) -> None:
    files = sorted((TESTS / leaf).rglob("*.py"))
    assert files
    strangers = {f"{file.relative_to(TESTS)}: {name}" for file in files for name in imported(file) & (OURS - {leaf})}
    assert not {line for line in strangers if line.partition(":")[0] not in MEANT}

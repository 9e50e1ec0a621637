"""What modules offer each other."""

from __future__ import annotations

import ast
from pathlib import Path

import benchmarks

ROOT = Path(benchmarks.__file__).parents[1]
FILES = [file for part in ("optimizers", "problems", "analysis", "benchmarks") for file in (ROOT / part).rglob("*.py")]
MODULES = {file.relative_to(ROOT).with_suffix(""): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}
TREES = {".".join(path.parts).removesuffix(".__init__"): tree for path, tree in MODULES.items()}


def exported(tree: ast.Module) -> set[str]:
    """The names in a module's ``__all__``."""
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__"
    ]
    return {name for one in lists for name in ast.literal_eval(one)}


EXPORTS = {name: exported(tree) for name, tree in TREES.items()}


def test_what_one_module_takes_from_another_stands_in_its_all() -> None:
    hidden = [
        f"{taker} takes {alias.name} of {node.module}"
        for taker, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in EXPORTS
        for alias in node.names
        if alias.name not in EXPORTS[node.module] and f"{node.module}.{alias.name}" not in TREES
    ]
    assert not hidden

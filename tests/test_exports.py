"""What modules offer each other."""

from __future__ import annotations

import ast
from pathlib import Path

import benchmarks

ROOT = Path(benchmarks.__file__).parents[1]
FILES = [file for part in ("optimizers", "problems", "analysis", "benchmarks") for file in (ROOT / part).rglob("*.py")]


def exported(tree: ast.Module) -> set[str]:
    """The names in a module's ``__all__``."""
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__"
    ]
    return {name for one in lists for name in ast.literal_eval(one)}


def test_what_one_module_takes_from_another_stands_in_its_all() -> None:
    modules = {file.relative_to(ROOT).with_suffix(""): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}
    trees = {".".join(path.parts).removesuffix(".__init__"): tree for path, tree in modules.items()}
    exports = {name: exported(tree) for name, tree in trees.items()}
    hidden = [
        f"{taker} takes {alias.name} of {node.module}"
        for taker, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in exports
        for alias in node.names
        if alias.name not in exports[node.module] and f"{node.module}.{alias.name}" not in trees
    ]
    assert not hidden

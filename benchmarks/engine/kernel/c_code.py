"""Numbers, expressions and statements as C; statements are written out here, number by number.

As loops they are written by `benchmarks.engine.kernel.loops`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.engine.kernel.operations import OPERATIONS
from benchmarks.engine.kernel.program import Assign, Kind, MatMul, Number, Statement, View

__all__ = ["WrittenOut", "argument_kinds", "cast", "expression", "number", "result_kind"]


def number(value: Number, kind: Kind) -> str:
    """A number in C, to the bit."""
    if not kind.floating:
        return str(int(value)) if value != -(2**63) else f"({1 - 2**63} - 1)"  # C has no literals below zero
    with np.errstate(over="ignore"):
        rounded = float(np.float32(value)) if kind is Kind.F32 else float(value)
    if math.isnan(rounded):
        return f"({kind.value})NAN"
    if math.isinf(rounded):
        return f"({kind.value}){'-' if rounded < 0 else ''}INFINITY"
    text = rounded.hex() + ("f" if kind is Kind.F32 else "")
    return f"({text})" if text.startswith("-") else text


def expression(operation: str, arguments: Sequence[str], kind: Kind) -> str:
    """An operation on named numbers of one kind."""
    return OPERATIONS[operation].format(*arguments, f="f" if kind is Kind.F32 else "")


def cast(text: str, has: Kind, wanted: Kind) -> str:
    """An expression as another kind."""
    if has is wanted:
        return text
    return f"(({text}) != 0)" if wanted is Kind.BOOL else f"({wanted.value})({text})"


def argument_kinds(statement: Assign) -> list[Kind]:
    """The kinds that the arguments are read in."""
    kinds = [statement.kind] * len(statement.arguments)
    if statement.operation == "where":
        kinds[0] = Kind.BOOL
    return kinds


def result_kind(statement: Assign) -> Kind:
    """The kind of what the operation gives."""
    return (
        Kind.BOOL
        if statement.operation in ("gt", "ge", "lt", "le", "eq", "ne", "and", "or", "xor", "not")
        else statement.kind
    )


class WrittenOut:
    """Statements with a variable for every number, in one loop over lanes.

    ``given`` names the numbers that exist before, by buffer: the text of number ``i``.
    """

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.shared: list[str] = []
        """Lines that are the same for all lanes."""
        self.lines: list[str] = []
        """Lines of one lane."""
        self._names: dict[tuple[str, int], str] = {}
        self._count = 0
        for statement in statements:
            self._write(statement)

    def name(self, view: View, place: int) -> str:
        """The variable that holds a number of a view."""
        assert view.buffer is not None, "a literal has no place"
        buffer = view.buffer
        known = self._names.get((buffer.name, place))
        if known is not None:
            return known
        return f"{buffer.name}[{place} * W + l]" if buffer.lanes else f"{buffer.name}[{place}]"

    def read(self, view: View, kind: Kind) -> list[str]:
        """Every number of a view, in order, as ``kind``."""
        if view.buffer is None:
            assert view.value is not None, "a view without a buffer is a literal"
            return [number(view.value, kind)] * view.size
        return [cast(self.name(view, place), view.kind, kind) for place in view.places()]

    def _write(self, statement: Statement) -> None:
        if isinstance(statement, MatMul):
            self._matmul(statement)
        elif isinstance(statement, Assign):
            self._assign(statement)
        else:
            raise TypeError("a pick is not written out")

    def _assign(self, statement: Assign) -> None:
        out = statement.out
        arguments = [
            self.read(view, kind) for view, kind in zip(statement.arguments, argument_kinds(statement), strict=True)
        ]
        begun: set[int] = set()
        for place, *given in zip(out.places(), *arguments, strict=True):
            text = cast(expression(statement.operation, given, statement.kind), result_kind(statement), out.kind)
            if statement.into is not None:
                before = self.name(out, place) if place in begun else number(statement.first, out.kind)
                if place not in begun and statement.into == "add" and statement.first == 0:
                    pass  # 0 + v is v, but for the sign of a zero, which torch's own sum loses too
                else:
                    text = expression(statement.into, [before, f"({text})"], out.kind)
                begun.add(place)
            self._define(out, place, text)

    def _matmul(self, statement: MatMul) -> None:
        out, left, right = statement.out, statement.left, statement.right
        lefts, rights = self.read(left, out.kind), self.read(right, out.kind)
        inner = statement.terms
        rows, columns = left.size // inner, right.size // inner
        fused = f"FMA1{'F' if out.kind is Kind.F32 else 'D'}"
        for place, (row, column) in zip(
            out.places(), ((row, column) for row in range(rows) for column in range(columns)), strict=True
        ):
            text = f"{lefts[row * inner]} * {rights[column]}"
            for k in range(1, inner):
                text = f"{fused}({lefts[row * inner + k]}, {rights[k * columns + column]}, {text})"
            self._define(out, place, text)

    def _define(self, out: View, place: int, text: str) -> None:
        assert out.buffer is not None, "nothing is written to a literal"
        self._count += 1
        name = f"v{self._count}"
        lines = self.lines if out.buffer.lanes else self.shared
        lines.append(f"const {out.kind.value} {name} = {text};")
        self._names[out.buffer.name, place] = name

"""Products of matrices as C, blocked in registers with vector types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.engine.kernel.c_code import cast
from benchmarks.engine.kernel.program import Kind, MatMul, View

__all__ = ["product"]

PANEL: Final = 1024  # rows of the right matrix that are copied together


Place = Callable[[View, Sequence[str], str], str]
"""The text of a number of a view, by an index for each of its axes and the name of the lane."""


def product(statement: MatMul, block: tuple[int, int], at: Place) -> str:
    """The loops of a product, ``block`` rows and columns of the result at a time."""
    return _Product(statement, block, at).text()


class _Product:
    """A product of matrices, a block of the result in registers at a time."""

    def __init__(self, statement: MatMul, block: tuple[int, int], at: Place) -> None:
        self.statement, self.block, self.at = statement, block, at
        self.rows = _indices("r", len(statement.left.shape) - statement.summed, "i")
        self.columns = _indices("c", len(statement.right.shape) - statement.summed, "j")
        self.inner = _indices("k", statement.summed, "k")

    def text(self) -> str:
        out, left, right = self.statement.out, self.statement.left, self.statement.right
        row_counts, column_counts = out.shape[: len(self.rows)], out.shape[len(self.rows) :]
        outer_rows = _loops(self.rows[:-1], row_counts)
        outer_columns = _loops(self.columns[:-1], column_counts)
        rows, columns = row_counts[-1], column_counts[-1]
        if not out.lanes:
            body = (
                f"{out.kind.value} a = 0;\n{_loops(self.inner, right.shape)}"
                f"a += {self.at(left, [*self.rows, *self.inner], 'l')} "
                f"* {self.at(right, [*self.inner, *self.columns], 'l')};\n"
                f"{self.at(out, [*self.rows, *self.columns], 'l')} = a;"
            )
            inside = f"for (int i = 0; i < {rows}; ++i)\nfor (int j = 0; j < {columns}; ++j) {{\n{body}\n}}"
            return f"{outer_rows}{outer_columns}{inside}"
        high, wide = min(self.block[0], rows), min(self.block[1], columns)
        by_rows, by_columns = _cut(rows, high), _cut(columns, wide)
        parts = []
        if not right.lanes:  # the rows of a block, which differ between lanes, stay in the cache
            for i, count, m in by_rows:
                blocks = [self._loop("j", part, self._block(m, part[2])) for part in by_columns]
                parts.append(self._loop("i", (i, count, m), *blocks))
        else:
            for j, many, n in by_columns:
                blocks = [self._loop("i", part, self._block(part[2], n)) for part in by_rows]
                parts.append(self._loop("j", (j, many, n), *self._panel(n), *blocks))
        inside = "\n".join(parts)
        if outer_rows or outer_columns:
            inside = f"{outer_columns}{outer_rows}{{\n{inside}\n}}"
        return f"VECTORS({out.kind.value}) {{\n{inside}\n}}"

    @staticmethod
    def _loop(index: str, part: tuple[int, int, int], *body: str) -> str:
        begin, end, step = part
        inside = "\n".join(body)
        return f"for (int {index} = {begin}; {index} < {end}; {index} += {step}) {{\n{inside}\n}}"

    @property
    def _packed(self) -> bool:
        """Whether the columns of a block are copied together before they are read: not where they lie so already."""
        left, right = self.statement.left, self.statement.right
        if (
            len(self.rows) + len(self.columns) + len(self.inner) > 3
        ):  # numbers that are read again and again, as windows
            return False
        count, stride = right.shape[0], right.strides[0]
        return right.lanes and stride > 1 and count > 1 and count <= PANEL and left.shape[0] > self.block[0]

    def _panel(self, wide: int) -> list[str]:
        if not self._packed:
            return []
        letter, inner = _letter(self.statement.out.kind), self.statement.terms
        copies = [
            f"panel[k * {wide} + {j}] = {self._load(self.statement.right, ['k', f'(j + {j})'], letter)};"
            for j in range(wide)
        ]
        return [f"V{letter} panel[{inner * wide}];", f"for (int k = 0; k < {inner}; ++k) {{", *copies, "}"]

    def _block(self, high: int, wide: int) -> str:
        out, left, right = self.statement.out, self.statement.left, self.statement.right
        letter = _letter(out.kind)
        vector = f"V{letter}"
        rows = [[*self.rows[:-1], f"(i + {i})"] for i in range(high)]
        columns = [[*self.columns[:-1], f"(j + {j})"] for j in range(wide)]
        lines = [f"{vector} {', '.join(f'a{i}{j} = {{0}}' for i in range(high) for j in range(wide))};"]
        lines.append(f"{_loops(self.inner, right.shape)}{{")
        for j in range(wide):
            read = self._load(right, [*self.inner, *columns[j]], letter)
            lines.append(f"const {vector} r{j} = {f'panel[k * {wide} + {j}]' if self._packed else read};")
        for i in range(high):
            lines.append(f"const {vector} l{i} = {self._load(left, [*rows[i], *self.inner], letter)};")
            lines += [f"a{i}{j} = FMA{letter}(l{i}, r{j}, a{i}{j});" for j in range(wide)]
        lines.append("}")
        for i in range(high):
            for j in range(wide):
                lines.append(f"STORE{letter}(&{self.at(out, [*rows[i], *columns[j]], 'v')}, a{i}{j});")
        return "\n".join(lines)

    def _load(self, view: View, index: Sequence[str], letter: str) -> str:
        place = self.at(view, index, "v")
        kind = Kind.F32 if letter == "F" else Kind.F64
        if not view.lanes:
            return f"ALL{letter}({cast(place, view.kind, kind)})"
        return f"LOAD{letter}(&{place})"


def _indices(prefix: str, count: int, last: str) -> list[str]:
    """Names of indices of so many axes, the last of which is called ``last``."""
    return [*(f"{prefix}{axis}" for axis in range(count - 1)), last]


def _loops(indices: Sequence[str], counts: Sequence[int]) -> str:
    """The heads of loops, one in another, over as many numbers."""
    return "".join(f"for (int {i} = 0; {i} < {n}; ++{i}) " for i, n in zip(indices, counts, strict=False))


def _letter(kind: Kind) -> str:
    """What vectors of a kind, and what is done to them, are called by."""
    return "F" if kind is Kind.F32 else "D"


def _cut(count: int, size: int) -> list[tuple[int, int, int]]:
    """From, to and step of the whole blocks, and of what is left over."""
    whole = count // size * size
    parts = [(0, whole, size)] if whole else []
    return parts + ([(whole, count, count - whole)] if whole < count else [])

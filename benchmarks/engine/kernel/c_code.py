"""Statements as C: written out number by number, or as loops.

The text of a group of loops is a function of the buffers it touches, so that groups that do the same to other numbers,
as block after block of a data set, are one function. Inside, a loop over lanes is innermost and plain, which compilers
turn into vector instructions; products of matrices are blocked in registers with vector types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.engine.kernel.operations import INTO, OPERATIONS
from benchmarks.engine.kernel.planning import Group, Layout, axes_that_count, gathered_axes
from benchmarks.engine.kernel.program import Assign, Buffer, Kind, MatMul, Number, Pick, Statement, View

__all__ = ["Functions", "WrittenOut", "expression", "number"]


def number(value: Number, kind: Kind) -> str:
    """A number in C, to the bit."""
    if not kind.floating:
        return str(int(value))
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


def _cast(text: str, has: Kind, wanted: Kind) -> str:
    if has is wanted:
        return text
    return f"({text} != 0)" if wanted is Kind.BOOL else f"({wanted.value})({text})"


def _kinds(statement: Assign) -> list[Kind]:
    """The kinds that the arguments are read in."""
    kinds = [statement.kind] * len(statement.arguments)
    if statement.operation == "where":
        kinds[0] = Kind.BOOL
    return kinds


def _result(statement: Assign) -> Kind:
    """The kind of what the operation gives."""
    return Kind.BOOL if statement.operation in ("gt", "ge", "lt", "le", "eq", "ne", "and", "or", "xor", "not") else statement.kind


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
        return [_cast(self.name(view, place), view.kind, kind) for place in view.places()]

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
            self.read(view, kind) for view, kind in zip(statement.arguments, _kinds(statement), strict=True)
        ]
        begun: set[int] = set()
        for place, *given in zip(out.places(), *arguments, strict=True):
            text = _cast(expression(statement.operation, given, statement.kind), _result(statement), out.kind)
            if statement.into is not None:
                before = self.name(out, place) if place in begun else number(statement.first, out.kind)
                if place not in begun and statement.into == "add" and statement.first == 0:
                    pass  # 0 + v is v, but for the sign of a zero, which torch's own sum loses too
                else:
                    text = expression(INTO[statement.into], [before, text], out.kind)
                begun.add(place)
            self._define(out, place, text)

    def _matmul(self, statement: MatMul) -> None:
        out, left, right = statement.out, statement.left, statement.right
        lefts, rights = self.read(left, out.kind), self.read(right, out.kind)
        rows, inner = left.shape
        columns = right.shape[1]
        fused = f"fma{'f' if out.kind is Kind.F32 else ''}"
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


@dataclass
class Functions:
    """Groups as functions of their buffers; the same text is one function.

    ``block`` is how many rows and columns of a product of matrices are held in registers at once.
    """

    block: tuple[int, int] = (4, 3)
    texts: dict[str, str] = field(default_factory=dict)
    """The name of each function, by its text."""

    def call(self, group: Group, layout: Layout, names: Mapping[Buffer, str]) -> str:
        """The call that runs ``group``; ``names`` are what its buffers are called where it is made."""
        writer = _Loops(group, layout, self.block)
        text = writer.text()
        name = self.texts.setdefault(text, f"loop{len(self.texts)}")
        pointers = [
            names[buffer] + (f" + {offset}{' * W' if buffer.lanes else ''}" if offset else "")
            for buffer, offset in writer.pointers
        ]
        return f"{name}({', '.join(pointers)});"

    def definitions(self) -> str:
        """All functions, as C."""
        return "\n".join(text.replace("NAME(", f"{name}(", 1) for text, name in self.texts.items())


class _Loops:
    """The function of one group."""

    def __init__(self, group: Group, layout: Layout, block: tuple[int, int]) -> None:
        self.group, self.layout, self.block = group, layout, block
        self.pointers: list[tuple[Buffer, int]] = []
        """What the function is called with: a buffer, and the number in it that the pointer points at."""
        self._written = {statement.out.buffer for statement in group.statements}

    def text(self) -> str:
        """The function, called ``NAME``."""
        first = self.group.statements[0]
        if isinstance(first, MatMul):
            body = _Product(self, first, self.block).text()
        elif isinstance(first, Pick):
            body = self._pick(first)
        else:
            body = self._assigns([statement for statement in self.group.statements if isinstance(statement, Assign)])
        parameters = ", ".join(
            f"{'' if buffer in self._written else 'const '}{buffer.kind.value} *restrict p{place}"
            for place, (buffer, _) in enumerate(self.pointers)
        )
        return f"static LOOP void NAME({parameters}) {{\n{body}\n}}"

    def pointer(self, view: View) -> tuple[str, int]:
        """The parameter through which ``view`` is seen, and what is left of its offset."""
        assert view.buffer is not None, "a literal has no pointer"
        start = 0 if view.buffer in self._written else view.offset
        key = (view.buffer, start)
        if key not in self.pointers:
            self.pointers.append(key)
        return f"p{self.pointers.index(key)}", view.offset - start

    def at(self, view: View, index: Sequence[str], lane: str = "l") -> str:
        """A number of a view by an index for each of its axes."""
        if view.buffer is None:
            assert view.value is not None, "a view without a buffer is a literal"
            return number(view.value, view.kind)
        pointer, offset = self.pointer(view)
        terms = [
            i if stride == 1 else f"{i} * {stride}"
            for i, stride, count in zip(index, view.strides, view.shape, strict=True)
            if stride and count != 1
        ]
        terms += [str(offset)] * (offset != 0)
        place = " + ".join(terms) or "0"
        return f"{pointer}[({place}) * W + {lane}]" if view.buffer.lanes else f"{pointer}[{place}]"

    def _assigns(self, statements: Sequence[Assign]) -> str:
        statements, inside = _gathered_innermost(statements)
        axes = _merged([view for statement in statements for view in (*statement.arguments, statement.out)], inside)
        index = [f"i{axis}" for axis in range(len(axes))]
        inside = _joints(axes, inside)
        lanes = self.group.lanes
        lines, known = [], dict[tuple[Buffer, tuple[int, ...], int], tuple[str, Kind]]()
        gathered: list[tuple[Assign, str, View]] = []
        for place, statement in enumerate(statements):
            arguments = []
            for view, kind in zip(statement.arguments, _kinds(statement), strict=True):
                seen = _along(view, axes)
                key = (seen.buffer, seen.strides, seen.offset) if seen.buffer else None
                if key in known:
                    name, has = known[key]  # type: ignore[index]
                    arguments.append(_cast(name, has, kind))
                elif seen.buffer is None:
                    assert seen.value is not None, "a view without a buffer is a literal"
                    arguments.append(number(seen.value, kind))
                else:
                    arguments.append(_cast(self.at(seen, index), seen.kind, kind))
            out = _along(statement.out, axes)
            text = _cast(expression(statement.operation, arguments, statement.kind), _result(statement), out.kind)
            lines.append(f"const {out.kind.value} v{place} = {text};")
            assert out.buffer is not None, "nothing is written to a literal"
            if statement.into is not None:
                gathered.append((statement, f"v{place}", out))
                continue
            known[out.buffer, out.strides, out.offset] = (f"v{place}", out.kind)
            if out.buffer not in self.layout.inner:
                lines.append(f"{self.at(out, index)} = v{place};")
        return self._loops(axes, index, inside, lines, gathered, lanes)

    def _loops(
        self,
        axes: Sequence[tuple[int, ...]],
        index: Sequence[str],
        inside: int,
        lines: list[str],
        gathered: Sequence[tuple[Assign, str, View]],
        lanes: bool,
    ) -> str:
        """Loops over the axes; what is gathered along the innermost ``inside`` ones is held in variables meanwhile."""
        counts = [math.prod(axis) for axis in axes]
        before, after = "", ""
        for place, (statement, name, out) in enumerate(gathered):
            kind, operation = out.kind.value, INTO[statement.into or ""]
            begin, element = number(statement.first, out.kind), "[l]" if lanes else ""
            lines.append(f"a{place}{element} = {expression(operation, [f'a{place}{element}', name], out.kind)};")
            each = "LANES " if lanes else ""
            before += f"{kind} a{place}{'[W]' if lanes else ''}; {each}a{place}{element} = {begin};\n"
            after += f"{each}{self.at(out, index)} = a{place}{element};\n"
        outer = [f"for (int i{axis} = 0; i{axis} < {counts[axis]}; ++i{axis})" for axis in range(len(axes))]
        body = ("LANES " if lanes else "") + "{\n" + "\n".join(lines) + "\n}"
        split = len(axes) - inside if gathered else len(axes)
        inner = "\n".join([*outer[split:], body])
        return "\n".join([*outer[:split], "{", before + inner, after + "}"])

    def _pick(self, statement: Pick) -> str:
        index = [f"i{axis}" for axis in range(len(statement.index.shape))]
        loops = "\n".join(
            f"for (int {i} = 0; {i} < {count}; ++{i})" for i, count in zip(index, statement.index.shape, strict=True)
        )
        picked = [*index]
        picked[statement.axis] = f"(int)({self.at(statement.index, index)})"
        lanes = "LANES " if self.group.lanes else ""
        if statement.add:
            return f"{loops} {lanes}{self.at(statement.out, picked)} += {self.at(statement.source, index)};"
        return f"{loops} {lanes}{self.at(statement.out, index)} = {self.at(statement.source, picked)};"


def _gathered_innermost(statements: Sequence[Assign]) -> tuple[list[Assign], int]:
    """The statements over axes of more than one number, those that are gathered along last, and how many those are."""
    patterns = [gathered_axes(statement.out) for statement in statements if statement.into is not None]
    count = len(axes_that_count(statements[0].out))
    gathered = patterns[0] if patterns else (False,) * count
    order = sorted(range(count), key=lambda axis: gathered[axis])

    def ordered(view: View) -> View:
        moving = [(n, stride) for n, stride in zip(view.shape, view.strides, strict=True) if n != 1]
        return view.as_strided(
            [moving[axis][0] for axis in order], [moving[axis][1] for axis in order], view.offset
        )

    turned = [
        replace(statement, out=ordered(statement.out), arguments=tuple(map(ordered, statement.arguments)))
        for statement in statements
    ]
    return turned, sum(gathered)


def _merged(views: Sequence[View], inside: int) -> list[tuple[int, ...]]:
    """The axes, neighbours joined where every view runs over both as over one; the ``inside`` last stay apart."""
    joined: list[tuple[int, ...]] = []
    counts = views[0].shape
    for axis, count in enumerate(counts):
        even = axis not in (0, len(counts) - inside) and all(
            view.buffer is None or view.strides[axis - 1] == view.strides[axis] * count for view in views
        )
        if even:
            joined[-1] = (*joined[-1], count)
        else:
            joined.append((count,))
    return joined


def _joints(axes: Sequence[tuple[int, ...]], inside: int) -> int:
    """How many joined axes the ``inside`` last ones have become."""
    joints, left = 0, inside
    for axis in reversed(axes):
        if left <= 0:
            break
        left -= len(axis)
        joints += 1
    return joints


def _along(view: View, axes: Sequence[tuple[int, ...]]) -> View:
    """``view`` over joined axes: the stride of a joint is that of its last axis."""
    strides = iter(view.strides)
    joined = [[next(strides) for _ in axis][-1] for axis in axes]
    return view.as_strided([math.prod(axis) for axis in axes], joined, view.offset)


class _Product:
    """A product of matrices, a block of the result in registers at a time."""

    def __init__(self, loops: _Loops, statement: MatMul, block: tuple[int, int]) -> None:
        self.loops, self.statement, self.block = loops, statement, block

    def text(self) -> str:
        out, left, right = self.statement.out, self.statement.left, self.statement.right
        rows, inner = left.shape
        columns = right.shape[1]
        if not out.lanes:
            body = (
                f"{out.kind.value} a = 0;\nfor (int k = 0; k < {inner}; ++k)\n"
                f"a += {self.loops.at(left, ['i', 'k'])} * {self.loops.at(right, ['k', 'j'])};\n"
                f"{self.loops.at(out, ['i', 'j'])} = a;"
            )
            return f"for (int i = 0; i < {rows}; ++i)\nfor (int j = 0; j < {columns}; ++j) {{\n{body}\n}}"
        high, wide = min(self.block[0], rows), min(self.block[1], columns)
        parts = []
        for i, count, m in _cut(rows, high):
            for j, many, n in _cut(columns, wide):
                head = f"for (int i = {i}; i < {count}; i += {m})\nfor (int j = {j}; j < {many}; j += {n})\n"
                parts.append(head + "VECTORS(" + out.kind.value + ") {\n" + self._block(m, n, inner) + "\n}")
        return "\n".join(parts)

    def _block(self, high: int, wide: int, inner: int) -> str:
        out, left, right = self.statement.out, self.statement.left, self.statement.right
        letter = "F" if out.kind is Kind.F32 else "D"
        vector = f"V{letter}"
        lines = [f"{vector} {', '.join(f'a{i}{j} = {{0}}' for i in range(high) for j in range(wide))};"]
        lines.append(f"for (int k = 0; k < {inner}; ++k) {{")
        for j in range(wide):
            lines.append(f"const {vector} r{j} = {self._load(right, ['k', f'(j + {j})'], letter)};")
        for i in range(high):
            lines.append(f"const {vector} l{i} = {self._load(left, [f'(i + {i})', 'k'], letter)};")
            lines += [f"a{i}{j} = FMA{letter}(l{i}, r{j}, a{i}{j});" for j in range(wide)]
        lines.append("}")
        for i in range(high):
            for j in range(wide):
                lines.append(f"STORE{letter}(&{self.loops.at(out, [f'(i + {i})', f'(j + {j})'], 'v')}, a{i}{j});")
        return "\n".join(lines)

    def _load(self, view: View, index: Sequence[str], letter: str) -> str:
        place = self.loops.at(view, index, "v")
        kind = Kind.F32 if letter == "F" else Kind.F64
        if not view.lanes:
            return f"ALL{letter}({_cast(place, view.kind, kind)})"
        return f"LOAD{letter}(&{place})"


def _cut(count: int, size: int) -> list[tuple[int, int, int]]:
    """From, to and step of the whole blocks, and of what is left over."""
    whole = count // size * size
    parts = [(0, whole, size)] if whole else []
    return parts + ([(whole, count, count - whole)] if whole < count else [])

"""Groups of statements as C functions of loops.

The text of a group is a function of the buffers it touches, so that groups that do the same to other numbers, as block
after block of a data set, are one function. Inside, a loop over lanes is innermost and plain, which compilers turn into
vector instructions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.engine.kernel.c_code import argument_kinds, cast, expression, number, result_kind
from benchmarks.engine.kernel.planning import Group, Layout, axes_that_count, gathered_axes
from benchmarks.engine.kernel.products import product
from benchmarks.engine.kernel.program import Assign, Buffer, Kind, MatMul, Pick, View

__all__ = ["Functions"]


_Known = dict[tuple[Buffer, tuple[int, ...], int], tuple[str, Kind]]
"""The variables of a turn of a loop, and their kinds, by the view that they were written to."""


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
        views = [view for statement in group.statements for view in (*statement.arguments, statement.out)]
        offsets = {buffer: {view.offset for view in views if view.buffer == buffer} for buffer in self._written}
        self._starts = {buffer: found.pop() if len(found) == 1 else 0 for buffer, found in offsets.items()}

    def text(self) -> str:
        """The function, called ``NAME``."""
        first = self.group.statements[0]
        if isinstance(first, MatMul):
            body = product(first, self.block, self.at)
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
        """The parameter through which ``view`` is seen, and what is left of its offset.

        A buffer that is written has one parameter, for what one of them writes no other may read.
        """
        assert view.buffer is not None, "a literal has no pointer"
        start = self._starts.get(view.buffer, view.offset)
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
        lines, known = list[str](), _Known()
        gathered: list[tuple[Assign, str, View]] = []
        for place, statement in enumerate(statements):
            arguments = [
                self._argument(_along(view, axes), kind, index, known)
                for view, kind in zip(statement.arguments, argument_kinds(statement), strict=True)
            ]
            out = _along(statement.out, axes)
            text = cast(expression(statement.operation, arguments, statement.kind), result_kind(statement), out.kind)
            lines.append(f"const {out.kind.value} v{place} = {text};")
            assert out.buffer is not None, "nothing is written to a literal"
            if statement.into is not None:
                gathered.append((statement, f"v{place}", out))
                continue
            known[out.buffer, out.strides, out.offset] = (f"v{place}", out.kind)
            if out.buffer not in self.layout.inner:
                lines.append(f"{self.at(out, index)} = v{place};")
        return self._loops(axes, index, inside, lines, gathered, lanes)

    def _argument(self, view: View, kind: Kind, index: Sequence[str], known: _Known) -> str:
        """A number that is read in ``kind``: a literal, a variable of this turn, or one in memory."""
        if view.buffer is None:
            assert view.value is not None, "a view without a buffer is a literal"
            return number(view.value, kind)
        name, has = known.get((view.buffer, view.strides, view.offset), (None, view.kind))
        return cast(name or self.at(view, index), has, kind)

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
            assert statement.into is not None, "what is gathered says by what"
            kind = out.kind.value
            begin, element = number(statement.first, out.kind), "[l]" if lanes else ""
            lines.append(f"a{place}{element} = {expression(statement.into, [f'a{place}{element}', name], out.kind)};")
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
        if statement.back:
            return (
                f"{loops} {lanes}{self.at(statement.out, picked)} {statement.back} {self.at(statement.source, index)};"
            )
        return f"{loops} {lanes}{self.at(statement.out, index)} = {self.at(statement.source, picked)};"


def _gathered_innermost(statements: Sequence[Assign]) -> tuple[list[Assign], int]:
    """The statements over axes of more than one number, those that are gathered along last, and how many those are."""
    patterns = [gathered_axes(statement.out) for statement in statements if statement.into is not None]
    count = len(axes_that_count(statements[0].out))
    gathered = patterns[0] if patterns else (False,) * count
    order = sorted(range(count), key=lambda axis: gathered[axis])

    def ordered(view: View) -> View:
        moving = [(n, stride) for n, stride in zip(view.shape, view.strides, strict=True) if n != 1]
        return view.as_strided([moving[axis][0] for axis in order], [moving[axis][1] for axis in order], view.offset)

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

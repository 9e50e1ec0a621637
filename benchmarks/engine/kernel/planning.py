"""Which statements share a loop, and where their buffers live.

A program of few numbers is written out, every number a variable of one loop over lanes (`is_small`). Any other becomes
groups: statements of one shape that read only what the same turn of the loop has written. Buffers that live in no two
groups at once share memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.engine.kernel.program import Assign, Buffer, MatMul, Pick, Place, Program, Statement, View

__all__ = [
    "Group",
    "Layout",
    "axes_that_count",
    "costs",
    "gathered_axes",
    "grouped",
    "in_place",
    "is_small",
    "layout",
    "needed",
    "renamed",
    "split",
]

SMALL: Final = 800  # operations on single numbers that are written out
ALIGNMENT: Final = 64  # bytes


@dataclass
class Group:
    """Statements of one loop; a product of matrices, or a pick, stands alone."""

    statements: list[Statement] = field(default_factory=list)

    @property
    def lanes(self) -> bool:
        """Whether its loop runs over lanes."""
        return self.statements[0].out.lanes

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes its loop runs over."""
        return axes_that_count(self.statements[0].out)

    @property
    def buffers(self) -> Iterable[Buffer]:
        """Every buffer that is read or written, in order of appearance."""
        return dict.fromkeys(view.buffer for statement in self.statements for view in _views(statement) if view.buffer)

    def takes(self, statement: Statement) -> bool:
        """Whether ``statement`` may run in the same turn of the loop, after the others."""
        if not (isinstance(statement, Assign) and isinstance(self.statements[0], Assign)):
            return False
        if statement.out.lanes != self.lanes or axes_that_count(statement.out) != self.shape:
            return False
        for other in self.statements:
            assert isinstance(other, Assign)
            for view in statement.arguments:
                if view.buffer == other.out.buffer and (other.into or not _same(view, other.out)):
                    return False
            for view in (*other.arguments, other.out):
                if view.buffer == statement.out.buffer and (statement.into or not _same(view, statement.out)):
                    return False
            if other.into and statement.into and gathered_axes(other.out) != gathered_axes(statement.out):
                return False
        return True


def axes_that_count(view: View) -> tuple[int, ...]:
    """The shape without axes of one number."""
    return tuple(count for count in view.shape if count != 1)


def gathered_axes(out: View) -> tuple[bool, ...]:
    """For each axis of more than one number, whether ``out`` stays where it is along it."""
    return tuple(stride == 0 for _, stride in _moving(out))


def _same(one: View, other: View) -> bool:
    """Whether both see the same numbers in the same order, axes of one number left out."""
    return one.offset == other.offset and _moving(one) == _moving(other)


def _moving(view: View) -> list[tuple[int, int]]:
    return [(count, stride) for count, stride in zip(view.shape, view.strides, strict=True) if count != 1]


def _views(statement: Statement) -> Sequence[View]:
    return (*statement.arguments, statement.out)


def needed(program: Program) -> list[Statement]:
    """The statements that an output hangs on, in order."""
    wanted = {view.buffer for view in program.outputs.values()}
    kept: list[Statement] = []
    for statement in reversed(program.statements):
        if statement.out.buffer in wanted:
            kept.append(statement)
            wanted |= {view.buffer for view in statement.arguments}
    return kept[::-1]


def split(statements: Sequence[Statement], changing: Iterable[Buffer]) -> tuple[list[Statement], list[Statement]]:
    """Those that hang on no ``changing`` buffer, which may be done once, and the others."""
    moves = set(changing)
    for statement in statements:  # a buffer moves as a whole, however few of its numbers do
        if any(view.buffer in moves for view in statement.arguments):
            moves.add(_written(statement))
    once = [statement for statement in statements if statement.out.buffer not in moves]
    return once, [statement for statement in statements if statement.out.buffer in moves]


def _written(statement: Statement) -> Buffer:
    assert statement.out.buffer is not None, "nothing is written to a literal"
    return statement.out.buffer


def costs(statements: Iterable[Statement]) -> int:
    """Operations on single numbers that the statements make for one lane."""
    total = 0
    for statement in statements:
        if isinstance(statement, MatMul):
            total += 2 * statement.out.size * statement.terms
        elif isinstance(statement, Pick):
            total += statement.index.size
        else:
            total += statement.out.size
    return total


def is_small(statements: Sequence[Statement]) -> bool:
    """Whether the statements are few enough to be written out, and each knows where it reads and writes."""
    return costs(statements) <= SMALL and not any(isinstance(statement, Pick) for statement in statements)


def grouped(statements: Sequence[Statement]) -> list[Group]:
    """Statements as loops: each is taken as early as what it needs allows, where it fits the loop just begun."""
    waits_for = _dependencies(statements)
    todo, groups = list(range(len(statements))), list[Group]()
    done: set[int] = set()
    while todo:
        ready = [place for place in todo if waits_for[place] <= done]
        group = Group([statements[ready[0]]])
        done.add(ready[0])
        todo.remove(ready[0])
        found = isinstance(group.statements[0], Assign)
        while found:
            found = False
            for place in list(todo):
                if waits_for[place] <= done and group.takes(statements[place]):
                    group.statements.append(statements[place])
                    done.add(place)
                    todo.remove(place)
                    found = True
        groups.append(group)
    return groups


def _dependencies(statements: Sequence[Statement]) -> list[set[int]]:
    """For each statement those that have to come before it: writers of what it touches, readers of what it writes."""
    writers: dict[Buffer, list[int]] = {}
    readers: dict[Buffer, list[int]] = {}
    found: list[set[int]] = []
    for place, statement in enumerate(statements):
        before: set[int] = set()
        for view in statement.arguments:
            if view.buffer is not None:
                before.update(writers.get(view.buffer, ()))
                readers.setdefault(view.buffer, []).append(place)
        out = _written(statement)
        before.update(writers.get(out, ()))
        before.update(other for other in readers.get(out, ()) if other != place)
        writers.setdefault(out, []).append(place)
        found.append(before)
    return found


def in_place(groups: Sequence[Group], results: Mapping[Buffer, View]) -> dict[Buffer, Buffer]:
    """For buffers of work that may be written straight over the input they replace, that input.

    ``results`` are what each input becomes. That is safe where one plain statement writes the result, number for number
    where the input was read, and nothing reads the input later.
    """
    found: dict[Buffer, Buffer] = {}
    for target, result in results.items():
        buffer = result.buffer
        if buffer is None or buffer.place is not Place.WORK or buffer in found or not _covers(result, target):
            continue
        writers = [(group, s) for group in groups for s in group.statements if s.out.buffer == buffer]
        if len(writers) != 1 or not isinstance(writers[0][1], Assign) or writers[0][1].into is not None:
            continue
        group, writer = writers[0]
        after = [s for later in groups[groups.index(group) + 1 :] for s in later.statements]
        after += group.statements[group.statements.index(writer) + 1 :]
        if any(view.buffer == target for statement in after for view in statement.arguments):
            continue
        here = [view for statement in group.statements for view in statement.arguments if view.buffer == target]
        if all(_same(view, writer.out) for view in here):
            found[buffer] = target
    return found


def _covers(view: View, target: Buffer) -> bool:
    """Whether a view is all of its buffer, in order, and takes the place of ``target``."""
    flat = view.reshape((view.size,))
    return (
        view.buffer is not None
        and flat is not None
        and (flat.strides == (1,) or view.size == 1)
        and (view.offset, view.size, view.buffer.size) == (0, target.size, target.size)
        and (view.kind, view.lanes) == (target.kind, target.lanes)
    )


def renamed(group: Group, names: Mapping[Buffer, Buffer]) -> Group:
    """The group over other buffers."""

    def other(view: View) -> View:
        return view if view.buffer is None else replace(view, buffer=names.get(view.buffer, view.buffer))

    statements = list[Statement]()
    for statement in group.statements:
        out = other(statement.out)
        if isinstance(statement, Assign):
            statements.append(replace(statement, out=out, arguments=tuple(map(other, statement.arguments))))
        elif isinstance(statement, MatMul):
            statements.append(replace(statement, out=out, left=other(statement.left), right=other(statement.right)))
        else:
            statements.append(replace(statement, out=out, source=other(statement.source), index=other(statement.index)))
    return Group(statements)


@dataclass(frozen=True)
class Layout:
    """``places`` in bytes from the start of the workspace, whose ``size`` is in bytes; ``inner`` live in no memory."""

    places: Mapping[Buffer, int]
    size: int
    inner: frozenset[Buffer]


def layout(groups: Sequence[Group], pinned: Iterable[Buffer], width: int) -> Layout:
    """Memory for the buffers of ``groups`` with ``width`` lanes a tile; ``pinned`` are never written over.

    What is written and read in one turn of one loop needs none.
    """
    kept = list(dict.fromkeys(pinned))
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for place, group in enumerate(groups):
        for buffer in group.buffers:
            first.setdefault(buffer, place)
            last[buffer] = place
    inner = frozenset(
        buffer
        for group in groups
        for buffer in _written_and_read_in_turn(group)
        if first[buffer] == last[buffer] and buffer not in kept
    )
    taken: list[tuple[int, int, int, int]] = []  # start and end in memory, first and last group
    places: dict[Buffer, int] = {}

    def place_of(buffer: Buffer, begins: int, ends: int) -> None:
        size = _bytes(buffer, width)
        at = 0
        for start, end, born, dies in sorted(taken):
            if dies < begins or born > ends:
                continue
            if at + size <= start:
                break
            at = max(at, end)
        places[buffer] = at
        taken.append((at, at + size, begins, ends))

    for buffer in kept:
        place_of(buffer, -1, len(groups))
    for buffer, begins in first.items():
        if buffer.place is Place.WORK and buffer not in inner and buffer not in places:
            place_of(buffer, begins, last[buffer])
    return Layout(places, max((end for _, end, _, _ in taken), default=0), inner)


def _written_and_read_in_turn(group: Group) -> list[Buffer]:
    """Buffers of work whose every number is written, by one plain statement, in the turn that reads it."""
    writers: dict[Buffer, list[Assign]] = {}
    for statement in group.statements:
        if isinstance(statement, Assign):
            writers.setdefault(_written(statement), []).append(statement)
    return [
        buffer
        for buffer, found in writers.items()
        if buffer.place is Place.WORK and len(found) == 1 and found[0].into is None
    ]


def _bytes(buffer: Buffer, width: int) -> int:
    size = buffer.size * buffer.kind.size * (width if buffer.lanes else 1)
    return -(-size // ALIGNMENT) * ALIGNMENT

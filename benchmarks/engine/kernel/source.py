"""The C of a whole kernel: tiles of lanes taken into the cache, trained for many steps there, and put back.

One library has one function, ``int run(const int64_t *n, void *const *p)``: the integers of
`benchmarks.engine.kernel.kernel.NUMBERS`, and the pointers of a `Source`, both in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor

from benchmarks.engine.kernel.c_code import WrittenOut, number
from benchmarks.engine.kernel.loops import Functions
from benchmarks.engine.kernel.planning import Layout, grouped, in_place, is_small, layout, needed, renamed, split
from benchmarks.engine.kernel.prelude import PRELUDE, vector_functions
from benchmarks.engine.kernel.program import Assign, Buffer, Kind, MatMul, Place, Program, Statement, View, whole

__all__ = ["Source", "evaluation_source", "step_source"]

WRITTEN_IN_SOURCE: Final = 512  # numbers of a constant that are part of the text


@dataclass(frozen=True)
class Source:
    """C with what its caller has to know: ``width`` lanes a tile, ``pointers`` by name, ``constants`` among them.

    ``data`` is what a seed's batch has in a step, part by part: its shape and C's type of its numbers.
    """

    text: str
    width: int
    pointers: tuple[str, ...]
    constants: Mapping[str, Tensor]
    data: Sequence[tuple[tuple[int, ...], str]]


def step_source(program: Program, scheduled: frozenset[str], vector_bytes: int, functions: frozenset[str]) -> Source:
    """A kernel of many steps; ``scheduled`` hyperparameters have a value a step.

    ``vector_bytes`` is the width of the machine's vectors, ``functions`` those that have a vector form.
    """
    return _Kernel(program, scheduled, vector_bytes, functions).step()


def evaluation_source(program: Program, vector_bytes: int, functions: frozenset[str]) -> Source:
    """A kernel of one evaluation."""
    return _Kernel(program, frozenset(), vector_bytes, functions).evaluation()


class _Kernel:
    """One kernel in the making."""

    def __init__(
        self, program: Program, scheduled: frozenset[str], vector_bytes: int, functions: frozenset[str]
    ) -> None:
        self.program, self.vector_bytes, self.functions = program, vector_bytes, functions
        self.scheduled = scheduled
        statements = needed(program)
        still = [
            view.buffer for name, view in program.inputs.items() if name.startswith("hp:") and not self._by_step(name)
        ]
        moving = [view.buffer for view in program.inputs.values() if view.buffer and view.buffer not in still]
        self.once, self.always = split(statements, moving)
        self.small = is_small([*self.once, *self.always])
        self.kind = program.inputs["x"].kind
        self.inputs: dict[str, Buffer] = {
            name: view.buffer for name, view in program.inputs.items() if view.buffer is not None
        }
        self.used = {view.buffer for statement in statements for view in statement.arguments}
        self.used |= {view.buffer for view in program.outputs.values()}
        constants = {buffer for buffer in self.used if buffer and buffer.place is Place.CONSTANT}
        self.constants = [buffer for buffer in constants if buffer.size > WRITTEN_IN_SOURCE]
        self.constants.sort(key=lambda buffer: int(buffer.name[1:]))
        self.written_in = sorted(constants - set(self.constants), key=lambda buffer: int(buffer.name[1:]))
        products = [statement.out.kind.size for statement in statements if isinstance(statement, MatMul)]
        lanes = vector_bytes // min([self.kind.size, *(v.kind.size for v in self._floats()), *products])
        self.width = max(lanes, 16) if self.small else lanes

    def _floats(self) -> list[View]:
        return [view for view in self.program.inputs.values() if view.kind.floating and view.lanes]

    # ----------------------------------------------------------------------------------------------------------- a step

    def step(self) -> Source:
        state = [name for name in self.inputs if name.startswith("state:")]
        moved = ["x", *state]
        hyper = [name for name in self.inputs if name.startswith("hp:")]
        data = [name for name in self.inputs if name.startswith("batch:")]
        pointers = ["alive", "valid", "limit", *moved, *hyper, *data, *(buffer.name for buffer in self.constants)]
        places = {name: place for place, name in enumerate(pointers)}
        assert self.inputs["x"].lanes, "parameters differ between lanes"
        body, prologue, placed = self._bodies(["x", *state], [*moved, *hyper])
        lines = [
            *self._function_begins(places, moved, hyper, placed),
            "for (int64_t tile = first; tile < last; ++tile) {",
            *self._tile_begins(moved, hyper),
            *prologue,
            "for (int64_t k = 0; k < steps; ++k) {",
            *self._step_begins(places, hyper, data),
            *body,
            "}",
            *self._tile_ends(moved),
            "}",
            "free(work);",
            "return 0;",
            "}",
        ]
        return self._source(lines, pointers)

    def _function_begins(
        self, places: Mapping[str, int], moved: Sequence[str], hyper: Sequence[str], placed: Layout
    ) -> list[str]:
        """Arguments by their names, and room for a tile."""
        return [
            "int run(const int64_t *n, void *const *p) {",
            "const int64_t C = n[0], S = n[1], steps = n[2], done = n[3], first = n[4], last = n[5], per = n[6];",
            "const int mark = n[7] != 0;",
            "const int64_t rows = C / per, tiles = (C + W - 1) / W;",
            "unsigned char *restrict alive = p[0]; int64_t *restrict valid = p[1];",
            f"const {self.kind.value} *restrict limit = p[2];",
            *(self._given(name, places[name]) for name in moved),
            *(f"const double *restrict g_{self.inputs[name].name} = p[{places[name]}];" for name in hyper),
            *self._constant_pointers(places),
            f"char *work = aligned_alloc(64, {placed.size + 64});",
            "if (!work) return 1;",
            *(self._array(name, placed) for name in [*moved, *hyper]),
            *self._work_pointers(placed),
        ]

    def _tile_begins(self, moved: Sequence[str], hyper: Sequence[str]) -> list[str]:
        """Which lanes a tile has, and what belongs to them; behind the last lane it stands once more."""
        still = [self.inputs[name].name for name in hyper if not self._by_step(name)]
        return [
            "const int64_t s = tile / tiles, base = tile % tiles * W;",
            f"int64_t lane[W], row[W]; int ok[W], count[W]; {self.kind.value} most[W];",
            "for (int l = 0; l < W; ++l) {",
            "const int64_t c = base + l < C ? base + l : C - 1;",
            "lane[l] = c * S + s; row[l] = c / per; most[l] = limit[per > 1 ? c % per : s];",
            "ok[l] = alive[lane[l]]; count[l] = 0;",
            *(f"{name}[l] = g_{name}[row[l]];" for name in still),
            "}",
            *(
                f"for (int l = 0; l < W; ++l) for (int i = 0; i < {size}; ++i) "
                f"{name}[i * W + l] = g_{name}[lane[l] * {size} + i];"
                for name, size in self._sizes(moved)
            ),
        ]

    def _step_begins(self, places: Mapping[str, int], hyper: Sequence[str], data: Sequence[str]) -> list[str]:
        """What is another thing in every step: its number, its batch, and hyperparameters with a schedule."""
        batches = [(places[name], self.inputs[name]) for name in data]
        scheduled = [self.inputs[name].name for name in hyper if self._by_step(name)]
        t = self.inputs["t"]
        return [
            f"const double {t.name}[1] = {{(double)(done + k + 1)}};" if t in self.used else "",
            *(
                f"const {buffer.kind.value} *restrict {buffer.name} = "
                f"(const {buffer.kind.value} *)p[{place}] + (k * S + s) * {buffer.size};"
                for place, buffer in batches
            ),
            *(f"for (int l = 0; l < W; ++l) {name}[l] = g_{name}[k * rows + row[l]];" for name in scheduled),
        ]

    def _tile_ends(self, moved: Sequence[str]) -> list[str]:
        """Lanes put back where they came from."""
        return [
            "const int here = C - base < W ? C - base : W;",
            "for (int l = 0; l < here; ++l) {",
            "alive[lane[l]] = ok[l]; valid[lane[l]] += count[l];",
            *(
                f"for (int i = 0; i < {size}; ++i) g_{name}[lane[l] * {size} + i] = {name}[i * W + l];"
                for name, size in self._sizes(moved)
            ),
            "}",
        ]

    def _by_step(self, hyper: str) -> bool:
        """Whether a hyperparameter, ``hp:NAME``, has a value a step."""
        return hyper.removeprefix("hp:") in self.scheduled

    def _sizes(self, names: Sequence[str]) -> list[tuple[str, int]]:
        """What the buffers of inputs are called in C, and how many numbers a lane has of each."""
        return [(self.inputs[name].name, self.inputs[name].size) for name in names]

    def _bodies(self, outputs: Sequence[str], pinned: Sequence[str]) -> tuple[list[str], list[str], Layout]:
        """The lines of a step, those before the first, and the memory they need."""
        loss = self.program.outputs["loss"]
        if self.small:
            return self._written_out(outputs, pinned, loss)
        return self._looped(outputs, pinned, loss)

    def _written_out(
        self, outputs: Sequence[str], pinned: Sequence[str], loss: View
    ) -> tuple[list[str], list[str], Layout]:
        crossing = self._crossing()
        placed = layout([], [*(self.inputs[name] for name in pinned), *crossing], self.width)
        before = WrittenOut(self.once)
        kept = [
            f"{buffer.name}[{i}{' * W + l' if buffer.lanes else ''}] = {before.name(_number(buffer, i), i)};"
            for buffer in crossing
            for i in range(buffer.size)
        ]
        prologue = [*before.shared, "LANES {", *before.lines, *kept, "}"] if self.once else []
        step = WrittenOut(self.always)
        ends = [
            f"{self.inputs[name].name}[{i} * W + l] = {text};"
            for name in outputs
            for i, text in enumerate(step.read(self.program.outputs[name], self.inputs[name].kind))
            if text != f"{self.inputs[name].name}[{i} * W + l]"
        ]
        (worth,) = step.read(loss, self.kind)
        return [*step.shared, "LANES {", *step.lines, *self._marks(worth), *ends, "}"], prologue, placed

    def _looped(self, outputs: Sequence[str], pinned: Sequence[str], loss: View) -> tuple[list[str], list[str], Layout]:
        before, during = grouped(self.once), grouped(self.always)
        crossing = self._crossing()
        over = in_place(during, {self.inputs[name]: self.program.outputs[name] for name in outputs})
        during = [renamed(group, over) for group in during]
        results = [view.buffer for view in self.program.outputs.values() if view.buffer and view.buffer not in over]
        placed = layout([*before, *during], [*(self.inputs[name] for name in pinned), *crossing, *results], self.width)
        names = self._names(placed)
        self.loops = Functions(self._block())
        prologue = [self.loops.call(group, placed, names) for group in before]
        body = [self.loops.call(group, placed, names) for group in during]
        worth = _at(loss if loss.buffer not in over else replace(loss, buffer=over[loss.buffer]), 0)
        body += ["LANES {", *self._marks(worth), "}"]
        for name in outputs:
            out = self.program.outputs[name]
            if out.buffer is self.inputs[name] or over.get(out.buffer) is self.inputs[name]:  # type: ignore[arg-type]
                continue
            target = self.inputs[name]
            size = f"sizeof({target.kind.value}) * {target.size} * W"
            body.append(
                f"memcpy({target.name}, {out.buffer.name} + {out.offset} * W, {size});"
                if out.buffer is not None and out.lanes and _plain(out) and out.kind is target.kind
                else "\n".join(f"LANES {target.name}[{i} * W + l] = {_at(out, i)};" for i in range(target.size))
            )
        return body, prologue, placed

    def _marks(self, worth: str) -> list[str]:
        return [
            f"const {self.kind.value} worth = {worth};",
            f"ok[l] &= !mark | ((worth <= most[l]) & (fabs{'f' if self.kind is Kind.F32 else ''}(worth) < INFINITY));",
            "count[l] += ok[l];",
        ]

    def _crossing(self) -> list[Buffer]:
        """What is computed before the first step and read in every one."""
        written = {statement.out.buffer for statement in self.once}
        read = [view.buffer for statement in self.always for view in statement.arguments]
        read += [view.buffer for view in self.program.outputs.values()]
        return [buffer for buffer in dict.fromkeys(read) if buffer is not None and buffer in written]

    # ---------------------------------------------------------------------------------------------------- an evaluation

    def evaluation(self) -> Source:
        outputs = list(self.program.outputs)
        moving = [name for name, buffer in self.inputs.items() if buffer.lanes]
        shared = [name for name in self.inputs if name not in moving]
        names = [*moving, *shared, *(buffer.name for buffer in self.constants), *(f"out:{name}" for name in outputs)]
        places = {name: place for place, name in enumerate(names)}
        body, placed = self._results([self.inputs[name] for name in moving])
        sizes = [self.program.outputs[name].size for name in outputs]
        lines = [
            "int run(const int64_t *n, void *const *p) {",
            "const int64_t C = n[0], first = n[4], last = n[5];",
            *(self._given(name, places[name]) for name in moving),
            *(
                f"const {self.inputs[name].kind.value} *restrict {self.inputs[name].name} = p[{places[name]}];"
                for name in shared
            ),
            *self._constant_pointers(places),
            *(f"double *restrict out{i} = p[{places[f'out:{name}']}];" for i, name in enumerate(outputs)),
            f"char *work = aligned_alloc(64, {placed.size + 64});",
            "if (!work) return 1;",
            *(self._array(name, placed) for name in moving),
            *self._work_pointers(placed),
            "for (int64_t tile = first; tile < last; ++tile) {",
            "const int64_t base = tile * W; const int here = C - base < W ? C - base : W;",
            "for (int l = 0; l < W; ++l) {",
            "const int64_t lane = base + (l < here ? l : here - 1);",
            *(
                f"for (int i = 0; i < {size}; ++i) {name}[i * W + l] = g_{name}[lane * {size} + i];"
                for name, size in self._sizes(moving)
            ),
            "}",
            *body,
            *(
                f"for (int l = 0; l < here; ++l) for (int i = 0; i < {size}; ++i) "
                f"out{place}[(base + l) * {size} + i] = r{place}[i * W + l];"
                for place, size in enumerate(sizes)
            ),
            "}",
            "free(work);",
            "return 0;",
            "}",
        ]
        return self._source(lines, names)

    def _results(self, pinned: Sequence[Buffer]) -> tuple[list[str], Layout]:
        """The lines that write number ``i`` of output ``k`` to ``rk[i * W + l]``, and the memory they need."""
        views = self.program.outputs.values()
        results = [whole(Buffer(f"r{k}", Kind.F64, view.size, True), view.shape) for k, view in enumerate(views)]
        copies = [Assign(out, "copy", (view,), Kind.F64) for out, view in zip(results, views, strict=True)]
        statements: list[Statement] = [*self.once, *self.always, *copies]
        kept = [*pinned, *(view.buffer for view in results if view.buffer)]
        if self.small:
            written = WrittenOut(statements)
            stores = [
                f"{out.buffer.name}[{i} * W + l] = {text};"
                for out in results
                if out.buffer
                for i, text in enumerate(written.read(out, Kind.F64))
            ]
            return [*written.shared, "LANES {", *written.lines, *stores, "}"], layout([], kept, self.width)
        groups = grouped(statements)
        placed = layout(groups, kept, self.width)
        self.loops = Functions(self._block())
        names = self._names(placed)
        return [self.loops.call(group, placed, names) for group in groups], placed

    # ------------------------------------------------------------------------------------------------------------ both

    def _given(self, name: str, place: int) -> str:
        """The pointer to an input of all lanes."""
        buffer = self.inputs[name]
        return f"{buffer.kind.value} *restrict g_{buffer.name} = p[{place}];"

    def _array(self, name: str, placed: Layout) -> str:
        """The pointer to an input of a tile."""
        buffer = self.inputs[name]
        return f"{buffer.kind.value} *restrict {buffer.name} = (void *)(work + {placed.places[buffer]});"

    def _names(self, placed: Layout) -> dict[Buffer, str]:
        buffers = {*self.inputs.values(), *placed.places, *self.constants, *self.written_in}
        return {buffer: buffer.name for buffer in buffers}

    def _block(self) -> tuple[int, int]:
        """What fits 32 vector registers, or 16."""
        return (6, 4) if self.vector_bytes == 64 else (4, 3)

    def _constant_pointers(self, places: Mapping[str, int]) -> list[str]:
        return [f"const {b.kind.value} *restrict {b.name} = p[{places[b.name]}];" for b in self.constants]

    def _work_pointers(self, placed: Layout) -> list[str]:
        return [
            f"{buffer.kind.value} *restrict {buffer.name} = (void *)(work + {place});"
            for buffer, place in placed.places.items()
            if buffer.place is Place.WORK
        ]

    def _source(self, run: Sequence[str], pointers: Sequence[str]) -> Source:
        written = [
            f"static const {buffer.kind.value} {buffer.name}[] = {{"
            + ", ".join(number(value, buffer.kind) for value in self.program.constants[buffer.name].flatten().tolist())
            + "};"
            for buffer in self.written_in
        ]
        functions = self.loops.definitions() if not self.small else ""
        text = "\n".join(
            [
                f"#define W {self.width}",
                f"#define VECTOR {self.vector_bytes}",
                vector_functions(self.functions),
                PRELUDE,
                *written,
                functions,
                *(line for line in run if line),
            ]
        )
        constants = {buffer.name: self.program.constants[buffer.name] for buffer in self.constants}
        parts = [view for name, view in self.program.inputs.items() if name.startswith("batch:")]
        data = [(view.shape[1:], view.kind.value) for view in parts]  # the first axis is that of seeds
        return Source(text, self.width, tuple(pointers), constants, data)


def _number(buffer: Buffer, place: int) -> View:
    return View(buffer, buffer.kind, (), (), place)


def _plain(view: View) -> bool:
    """Whether the numbers lie one after the other."""
    flat = view.reshape((view.size,))
    return flat is not None and (view.size == 1 or flat.strides == (1,))


def _at(view: View, place: int) -> str:
    """Number ``place`` of a view in order, of lane ``l``."""
    if view.buffer is None:
        assert view.value is not None, "a view without a buffer is a literal"
        return number(view.value, view.kind)
    where = list(view.places())[place]
    return f"{view.buffer.name}[{where} * W + l]" if view.lanes else f"{view.buffer.name}[{where}]"

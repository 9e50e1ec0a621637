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
from benchmarks.engine.kernel.operations import FUNCTIONS
from benchmarks.engine.kernel.planning import Layout, grouped, in_place, is_small, layout, needed, renamed, split
from benchmarks.engine.kernel.prelude import PRELUDE
from benchmarks.engine.kernel.program import Assign, Buffer, Kind, MatMul, Place, Program, Statement, View, whole

__all__ = ["Source", "evaluation_source", "step_source"]

WRITTEN_IN_SOURCE: Final = 512  # numbers of a constant that are part of the text


@dataclass(frozen=True)
class Source:
    """C with what its caller has to know: ``width`` lanes a tile, ``pointers`` by name, ``constants`` among them.

    ``sizes`` are the numbers that a lane has of each input, or a seed's batch, by name.
    """

    text: str
    width: int
    pointers: tuple[str, ...]
    constants: Mapping[str, Tensor]
    sizes: Mapping[str, int]


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
            view.buffer
            for name, view in program.inputs.items()
            if name.startswith("hp:") and name.removeprefix("hp:") not in scheduled
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
        x, kind = self.inputs["x"], self.kind.value
        body, prologue, placed = self._bodies(["x", *state], [*moved, *hyper])

        load = [
            f"for (int l = 0; l < W; ++l) for (int i = 0; i < {self.inputs[name].size}; ++i) "
            f"{self.inputs[name].name}[i * W + l] = g_{self.inputs[name].name}[lane[l] * {self.inputs[name].size} + i];"
            for name in moved
        ]
        store = [
            f"for (int i = 0; i < {self.inputs[name].size}; ++i) "
            f"g_{self.inputs[name].name}[lane[l] * {self.inputs[name].size} + i] = {self.inputs[name].name}[i * W + l];"
            for name in moved
        ]
        still = [name for name in hyper if name.removeprefix("hp:") not in self.scheduled]
        by_step = [name for name in hyper if name not in still]
        tables = [f"const double *restrict g_{self.inputs[name].name} = p[{places[name]}];" for name in hyper]
        read = [f"{self.inputs[n].name}[l] = g_{self.inputs[n].name}[row[l]];" for n in still]
        read_step = [
            f"for (int l = 0; l < W; ++l) {self.inputs[n].name}[l] = g_{self.inputs[n].name}[k * rows + row[l]];"
            for n in by_step
        ]
        batch = [
            f"const {self.inputs[n].kind.value} *restrict {self.inputs[n].name} = "
            f"(const {self.inputs[n].kind.value} *)p[{places[n]}] + (k * S + s) * {self.inputs[n].size};"
            for n in data
        ]
        time = f"const double {self.inputs['t'].name}[1] = {{(double)(done + k + 1)}};"
        lines = [
            "int run(const int64_t *n, void *const *p) {",
            "const int64_t C = n[0], S = n[1], steps = n[2], done = n[3], first = n[4], last = n[5], per = n[6];",
            "const int mark = n[7] != 0;",
            "const int64_t rows = C / per, tiles = (C + W - 1) / W;",
            "unsigned char *restrict alive = p[0]; int64_t *restrict valid = p[1];",
            f"const {kind} *restrict limit = p[2];",
            *(self._given(name, places[name]) for name in moved),
            *tables,
            *self._constant_pointers(places),
            f"char *work = aligned_alloc(64, {placed.size + 64});",
            "if (!work) return 1;",
            *(self._array(name, placed) for name in [*moved, *hyper]),
            *self._work_pointers(placed),
            "for (int64_t tile = first; tile < last; ++tile) {",
            "const int64_t s = tile / tiles, base = tile % tiles * W;",
            f"int64_t lane[W], row[W]; int ok[W], count[W]; {kind} most[W];",
            "for (int l = 0; l < W; ++l) {",
            "const int64_t c = base + l < C ? base + l : C - 1;",
            "lane[l] = c * S + s; row[l] = c / per; most[l] = limit[per > 1 ? c % per : s];",
            "ok[l] = alive[lane[l]]; count[l] = 0;",
            *read,
            "}",
            *load,
            *prologue,
            "for (int64_t k = 0; k < steps; ++k) {",
            time if self.inputs["t"] in self.used else "",
            *batch,
            *read_step,
            *body,
            "}",
            "const int here = C - base < W ? C - base : W;",
            "for (int l = 0; l < here; ++l) {",
            "alive[lane[l]] = ok[l]; valid[lane[l]] += count[l];",
            *store,
            "}",
            "}",
            "free(work);",
            "return 0;",
            "}",
        ]
        assert x.lanes, "parameters differ between lanes"
        return self._source(lines, pointers)

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
                for name, size in ((self.inputs[given].name, self.inputs[given].size) for given in moving)
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
                self._vector_functions(),
                PRELUDE,
                *written,
                functions,
                *(line for line in run if line),
            ]
        )
        constants = {buffer.name: self.program.constants[buffer.name] for buffer in self.constants}
        sizes = {name: buffer.size for name, buffer in self.inputs.items()}
        return Source(text, self.width, tuple(pointers), constants, sizes)

    def _vector_functions(self) -> str:
        """Functions of C's library that the compiler may call for many lanes at once."""
        lines = []
        for name in sorted(self.functions & FUNCTIONS.keys()):
            for kind, end in (("double", ""), ("float", "f")):
                arguments = ", ".join([kind] * FUNCTIONS[name])
                lines.append(f'__attribute__((simd("notinbranch"), const)) {kind} {name}{end}({arguments});')
        return "\n".join(lines)


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

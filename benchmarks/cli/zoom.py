"""The command that zooms into the boundary of divergence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchmarks.cli.complete import completing
from benchmarks.cli.options import COUNT, data_option, device_option
from benchmarks.cli.progress import Bar, counted, duration, say
from benchmarks.engine.engines import ENGINES

if TYPE_CHECKING:
    from analysis.measures.fractal import Zoom
    from benchmarks.tuning.zoom import Plane

__all__ = ["zoom"]

SMALLEST: Final = 16
"""Cells a side below which no box dimension is worth its name."""

DEEPEST: Final = 16  # decades that float64 has
DPI: Final = 200


@click.command(short_help="Zoom into the boundary of divergence.")
@click.argument("problem", metavar="PROBLEM", shell_complete=completing("problems"))
@click.argument("optimizer", metavar="OPTIMIZER", shell_complete=completing("optimizers"))
@click.option("--x", "x", metavar="NAME", help="The hyperparameter across.  [default: the optimizer's first, lr]")
@click.option("--y", "y", metavar="NAME", help="The one upwards.  [default: the optimizer's second, as gamma]")
@click.option("--at", metavar="X,Y", help="Zoom where the boundary is next to this.  [default: where it is richest]")
@click.option("--depth", default=10, show_default=True, type=click.IntRange(0, DEEPEST), help="Decades.")
@click.option(
    "--size", default=256, show_default=True, type=click.IntRange(SMALLEST, 8192), help="Cells a side of each window."
)
@click.option("--steps", type=COUNT, help="Updates a run.  [default: the problem's]")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Start and data of every run.")
@click.option("--search", multiple=True, metavar="NAME=LOW:HIGH[:SCALE]", help="The range to begin with; repeatable.")
@click.option("--fix", multiple=True, metavar="NAME=VALUE", help="Hold a hyperparameter fixed; repeatable.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own.")
@click.option("--jobs", "-j", type=COUNT, help="Threads of the compiled engine.  [default: one a core]")
@click.option("--engine", type=click.Choice(ENGINES[:-1]), default="auto", show_default=True, help="What trains lanes.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="[default: zoom-PROBLEM-OPTIMIZER here]")
@device_option
@data_option
def zoom(problem: str, optimizer: str, at: str | None, depth: int, out: Path | None, **options: Any) -> None:
    """Zoom into the boundary between runs of OPTIMIZER on PROBLEM that converge and runs that do not, a decade at a
    time, in float64, and measure its box dimension.

    A run converged where the mean of its last 20 losses is below its first. Every run has the same start and data.
    zoom.png and zoom.csv are written, over those of before; docs/zoom.md says what they show.

    \b
    Examples:
      stepscape zoom rosenbrock momentum
      stepscape zoom rosenbrock adam --y beta1 --at 0.1,0.9 --depth 6 --size 128
      stepscape zoom square 'sgd(weight_decay=0.01)' --y weight_decay --search weight_decay=0:1
    """
    import torch

    from benchmarks.tuning.zoom import zoom as zoomed

    torch.set_num_threads(1)  # lanes that are not compiled are small: two threads on two busy cores take longer
    place = None if at is None else _place(at)
    plane = _plane(problem, optimizer, depth, options)
    title = f"{plane.training.name} on {plane.training.problem.name}"
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"zoom-{problem}-{optimizer}").strip("-.")[:120]
    folder = (out or Path(stem)).resolve()
    folder.mkdir(parents=True, exist_ok=True)  # now, lest the work be lost where it cannot be
    with Bar(f"zoom {title}") as bar:
        seconds, total = plane.seconds(depth + 1), float(plane.updates * (depth + 1))
        bar.bar.clear()
        runs = f"{counted(depth + 1, 'window')} of {(plane.size + 1) ** 2:,} runs"
        say(f"zoom {title}: {runs}, about {duration(seconds)}", err=True)
        found = zoomed(plane, depth, place, lambda updates: bar.show(bar.done + updates, total))
    _write(found, title, folder)


def _plane(problem: str, optimizer: str, depth: int, options: dict[str, Any]) -> Plane:
    """What the command's options ask to be watched; raises `StepscapeError` for what is unknown or cannot be."""
    from benchmarks.cli.single_cell import range_of
    from benchmarks.engine.devices import device_of
    from benchmarks.engine.training import Training
    from benchmarks.naming.call_syntax import number_of
    from benchmarks.naming.plugins import load_plugin_file
    from benchmarks.naming.registry import make_optimizer, make_problem
    from benchmarks.running.workers import default_jobs
    from benchmarks.suite.settings import Searching
    from benchmarks.tuning.space import Space, by_our_names
    from benchmarks.tuning.zoom import Plane

    for plugin in options["plugins"]:
        load_plugin_file(Path(plugin))
    on, spec = make_problem(problem, options["data"]), make_optimizer(optimizer)
    search = dict(range_of(text) for text in options["search"])
    fixed = dict(number_of(text, "--fix") for text in options["fix"])
    known = {knob.name: knob for knob in spec.hyperparameters}
    axes = (options["x"], options["y"])
    for name in axes:  # what is searched only where it is asked for, in the range that it would have
        if name in known and name not in search:
            search[name] = [known[name].low, known[name].high, known[name].scale]
    space = Space.of(spec, by_our_names(spec, Searching(search=search, fixed=fixed)))
    training = Training(
        on,
        spec,
        [options["seed"]],
        options["steps"] or on.steps,
        device=device_of(options["device"]),
        engine=options["engine"],
        threads=options["jobs"] or default_jobs(),
    )
    return Plane.of(training, space, axes, options["size"], depth + 1)


def _place(text: str) -> tuple[float, float]:
    """The two numbers of ``X,Y``."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"--at is written X,Y, as 0.1,0.9, not {text!r}") from error
    return x, y


def _write(found: Zoom, title: str, folder: Path) -> None:
    """Write the table and the picture of what was ``found``, and say it."""
    from analysis.figures.style import png
    from analysis.figures.zoom import zoom_figure
    from analysis.measures.fractal import zoom_frame
    from analysis.words import number

    zoom_frame(found).to_csv(folder / "zoom.csv", index=False)
    (folder / "zoom.png").write_bytes(png(zoom_figure(found, title), DPI))
    for row, level in enumerate(found.levels):
        window = ", ".join(
            f"{name} {values[0]:.15g} … {values[-1]:.15g}"
            for name, values in ((found.x_name, level.x), (found.y_name, level.y))
        )
        say(f"{row:2}  {window}: {level.count:,} cells on the boundary, dimension {number(level.dimension)}")
    if found.stopped:
        say(found.stopped)
    say(f"picture: {folder / 'zoom.png'}\ntable:   {folder / 'zoom.csv'}\n{found.sentence}")

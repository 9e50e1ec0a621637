"""The command that asks one question by itself, without a suite."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.cli.complete import completing
from benchmarks.cli.options import data_option, device_option
from benchmarks.cli.progress import duration, say

if TYPE_CHECKING:
    from benchmarks.engine.devices import DeviceName
    from benchmarks.exhibits import Question

__all__ = ["answer", "ask"]


@click.command(short_help="Ask a question and write the page that answers it.")
@click.argument("question", metavar="QUESTION", shell_complete=completing("exhibits"))
@click.option("--on", multiple=True, metavar="PROBLEM", help="A problem to ask it of; repeatable.")
@click.option("--optimizer", "optimizers", multiple=True, metavar="NAME", help="An optimizer; repeatable.")
@click.option("--set", "changes", multiple=True, metavar="OPTION=VALUE", help="Change an option; repeatable.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="[default: results/QUESTION-…]")
@device_option
@data_option
def ask(
    question: str,
    on: tuple[str, ...],
    optimizers: tuple[str, ...],
    changes: tuple[str, ...],
    plugins: tuple[str, ...],
    out: Path | None,
    device: DeviceName,
    data: Path | None,
) -> None:
    """Ask QUESTION, one of `stepscape list exhibits`, of any problems and optimizers: its runs are trained, and a page
    with the figures, the answer and the tables is written.

    A value is written as in Python: 3, 0.5, [0.9, 0.99]. An answer that is there already is kept. In a suite the same
    is written as exhibits = ["QUESTION"] and a table [exhibit.QUESTION]; docs/questions says what each one measures.

    \b
    Examples:
      stepscape ask ladder --on airfoil
      stepscape ask memory-laws --on 'quadratic(dim=20)' --optimizer rmsprop --optimizer adam --set seeds=8
    """
    from benchmarks.exhibits import make_question
    from benchmarks.naming.plugins import load_plugin_file

    for plugin in plugins:
        load_plugin_file(Path(plugin))
    options = dict(_change(text) for text in changes)
    options |= {name: list(given) for name, given in (("on", on), ("optimizers", optimizers)) if given}
    answer(make_question(question, options), out, data, device)


def answer(question: Question, out: Path | None, data: Path | None, device: DeviceName = "cpu") -> Path:
    """Answer ``question`` on the ``device`` in the folder ``out`` (by default one of its own below ``results``), write
    its page and say where it is; return the page.

    Raises `StepscapeError` for what cannot be asked, for a device that is not there, and where ``out`` holds an answer
    to something else.
    """
    import torch

    from analysis.answers import ANSWERS, write_answers
    from analysis.record.exhibits import Exhibit
    from benchmarks.engine.devices import device_of, on_device
    from benchmarks.errors import UsageError
    from benchmarks.record.folder import RecordFolder
    from benchmarks.record.lock import alone
    from benchmarks.running.exhibit import run_exhibit

    torch.set_num_threads(1)  # lanes that are not compiled are small: two threads on two busy cores take longer
    name = question.name
    if name not in ANSWERS:
        raise UsageError(f"{name!r} is a question of the book's chapter: stepscape run rmsprop-chapter answers it")
    device_of(device)  # said before anything else
    key = question.fingerprint(data)  # what it is asked of is looked up, and refused, before anything is said
    folder = (out or Path("results") / f"{name}-{key[:6]}").resolve()
    record = RecordFolder(folder)
    record.exhibit(name).parent.mkdir(parents=True, exist_ok=True)
    with alone(record), on_device(device):
        if record.has_exhibit(name):
            if Exhibit.load(record.exhibit(name)).info.fingerprint != key:
                raise UsageError(f"{folder} holds another answer to {name!r}; choose another folder with --out")
            say(f"{name}: answered already", err=True)
        else:
            say(f"{name}: about {duration(question.estimate(data))} on one core", err=True)
            run_exhibit(question, 0, record, data)
        page, (section,) = write_answers(folder, record.report)
    for sentence in section.part.answer:
        say(sentence)
    say(f"page: {page}")
    return page


def _change(text: str) -> tuple[str, Any]:
    """The name and the value of ``OPTION=VALUE``; what is no Python literal is a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"--set is written OPTION=VALUE, as seeds=8, got {text!r}")
    try:
        return name.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name.strip(), value

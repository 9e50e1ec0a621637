"""Commands on implementations of optimizers: where two of them part and why, and how settings are written elsewhere."""

from __future__ import annotations

import json

import click

from benchmarks.cli.complete import completing
from benchmarks.cli.options import COUNT
from benchmarks.cli.progress import Bar, say, terminal_width

__all__ = ["COMMANDS"]


@click.command(short_help="Where two implementations of an optimizer part, and why.")
@click.argument("first", metavar="A", shell_complete=completing("optimizers"))
@click.argument("second", metavar="B", shell_complete=completing("optimizers"))
@click.option("--problem", "problems", multiple=True, metavar="PROBLEM", help="Compare here; repeatable.  [default: 4]")
@click.option("--steps", default=100, show_default=True, type=COUNT, help="Updates on each problem.")
@click.option("--set", "held", multiple=True, metavar="NAME=VALUE", help="A hyperparameter that both get; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="All that was found, as JSON.")
@click.pass_context
def parity(
    context: click.Context,
    /,
    first: str,
    second: str,
    problems: tuple[str, ...],
    steps: int,
    held: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare two implementations of an optimizer, A and B, over the same starts, data and gradients.

    Each is a name of ours, torch:CLASS or package.module:CLASS, with its settings in brackets. Told is the first step
    at which they part, by how much, and why, found by experiment: where eps stands, how the average starts, bias
    correction, the kind of weight decay, where lr stands. The exit code is 0 where they agree to rounding, else 1.

    \b
    Examples:
      stepscape parity rmsprop torch:RMSprop
      stepscape parity 'torch:RMSprop(alpha=0.9)' 'rmsprop-torch(gamma=0.9)'
      stepscape parity adamw mine:AdamW --set lr=0.01 --problem digits-mlp
    """
    import torch

    from benchmarks.implementations import parity as comparison
    from benchmarks.implementations.parity_text import parity_text
    from benchmarks.naming.call_syntax import number_of

    torch.set_num_threads(1)  # single runs are small: two threads on two busy cores take longer
    values = dict(number_of(text, "--set") for text in held)
    with Bar(f"parity {first} {second}"):
        found = comparison.parity(first, second, problems or comparison.PROBLEMS, steps, values)
    say(json.dumps(found.as_dict(), indent=2) if as_json else parity_text(found, terminal_width()))
    context.exit(0 if found.agree else 1)


@click.command(short_help="Settings of an optimizer in another framework.")
@click.argument("source", metavar="NAME", shell_complete=completing("optimizers"))
@click.argument("settings", nargs=-1, metavar="[SETTING=VALUE]...")
@click.option("--to", required=True, metavar="FRAMEWORK", help="torch, keras, tensorflow, tf1, optax, d2l, stepscape.")
@click.option("--problem", "problems", multiple=True, metavar="PROBLEM", help="Measure here; repeatable.  [default: 4]")
@click.option("--steps", default=100, show_default=True, type=COUNT, help="Updates on each problem.")
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
def translate(
    source: str, settings: tuple[str, ...], to: str, problems: tuple[str, ...], steps: int, as_json: bool
) -> None:
    """Write the optimizer NAME with its settings for another framework, and measure how far its path deviates.

    NAME is one of ours or FRAMEWORK:NAME, of the families of SGD, momentum, Adagrad, RMSProp and Adam; settings go by
    our names or by the framework's. d2l is the book's chapter, tf1 is tf.compat.v1.train.

    \b
    Examples:
      stepscape translate rmsprop-torch --to keras lr=0.01 gamma=0.9 eps=1e-8
      stepscape translate keras:Adam --to torch learning_rate=0.001
      stepscape translate torch:SGD --to optax lr=0.1 momentum=0.9 nesterov=True
    """
    import torch

    from benchmarks.implementations import translate as translation
    from benchmarks.implementations.parity import PROBLEMS
    from benchmarks.implementations.translate_text import translation_text
    from benchmarks.naming.call_syntax import parse_call

    torch.set_num_threads(1)
    given = parse_call(f"{source.partition('(')[0]}({', '.join(settings)})")[1]  # those in brackets are read there
    with Bar(f"translate {source}"):
        found = translation.translate(source, to, given, problems or PROBLEMS, steps)
    say(json.dumps(found.as_dict(), indent=2) if as_json else translation_text(found, terminal_width()))


COMMANDS = (parity, translate)
"""In the order in which help lists them."""

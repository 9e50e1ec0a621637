"""Problems and optimizers as people write them by mistake: what each gets wrong, and a word of what must be said of it.

Each body is that of a class over `BASE`. A line that ends with ``# here`` is the one that must be named; without one it
is the line of a method in the same file.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

__all__ = ["MODULES", "PROBLEMS", "RULES", "plugin_file"]

PROBLEMS: Mapping[str, tuple[str, str]] = {
    # the loss
    "loss-detached": ("def loss(self, x, batch):\n    return x.detach().square().sum(-1)", "without a gradient"),
    "loss-of-numpy": ("def loss(self, x, batch):\n    return x.numpy().sum()  # here", "RuntimeError"),
    "loss-float": ("def loss(self, x, batch):\n    return 1.0", "gave a float"),
    "loss-item": ("def loss(self, x, batch):\n    return x.sum().item()", "gave a float"),
    "loss-list": ("def loss(self, x, batch):\n    return [x.sum()]", "gave a list"),
    "loss-none": ("def loss(self, x, batch):\n    x.square().sum(-1)", "gave None"),
    "loss-complex": ("def loss(self, x, batch):\n    return x.sum(-1) * 1j", "complex numbers"),
    "loss-scalar": ("def loss(self, x, batch):\n    return x.square().sum()", "shape []"),
    "loss-a-parameter": ("def loss(self, x, batch):\n    return x.square()", "shape [2, 2, 2] for x [2, 2, 2]"),
    "loss-keepdim": ("def loss(self, x, batch):\n    return x.square().sum(-1, keepdim=True)", "shape [2, 2, 1]"),
    "loss-mean-of-lanes": ("def loss(self, x, batch):\n    return x.square().sum(-1).mean(0)", "shape [2]"),
    "loss-nan": ("def loss(self, x, batch):\n    return x.sum(-1) * float('nan')", "nan at the start"),
    "loss-inf": ("def loss(self, x, batch):\n    return x.sum(-1) * float('inf')", "inf at the start"),
    "loss-gradient-nan": ("def loss(self, x, batch):\n    return (x - 1).abs().sqrt().sum(-1)", "a gradient with"),
    "loss-without-x": ("def loss(self, x, batch):\n    return torch.ones(2, 2, requires_grad=True)", "RuntimeError"),
    "loss-raises": ("def loss(self, x, batch):\n    raise ValueError('no luck')  # here", "ValueError: no luck"),
    "loss-key-error": ("def loss(self, x, batch):\n    return {}['a']  # here", "KeyError: 'a'"),
    "loss-typo": ("def loss(self, x, batch):\n    return x.sqare().sum(-1)  # here", "AttributeError"),
    "loss-two-lines": ("def loss(self, x, batch):\n    raise ValueError('one\\ntwo')  # here", "ValueError: one two"),
    "loss-wordy": ("def loss(self, x, batch):\n    raise ValueError('w' * 9999)  # here", " …"),
    "loss-memory": ("def loss(self, x, batch):\n    raise MemoryError  # here", "MemoryError"),
    "loss-too-large": ("def loss(self, x, batch):\n    return torch.ones(2**50)  # here", "Error"),
    "loss-recursion": ("def loss(self, x, batch):\n    return self.loss(x, batch)  # here", "RecursionError"),
    "loss-assertion": ("def loss(self, x, batch):\n    assert x is None  # here", "AssertionError"),
    "loss-exit": ("def loss(self, x, batch):\n    exit()  # here", "SystemExit"),
    "loss-batch": ("def loss(self, x, batch):\n    a, b = batch  # here", "TypeError"),
    "loss-matrix": ("def loss(self, x, batch):\n    return x @ torch.ones(3, 3)  # here", "RuntimeError"),
    "loss-in-place": ("def loss(self, x, batch):\n    return x.mul_(2).sum(-1)  # here", "RuntimeError"),
    "loss-arguments": ("def loss(self, x):\n    return x.sum(-1)", "TypeError"),
    "loss-backward": (
        "def loss(self, x, batch):\n    y = x.square().sum(-1)\n    y.register_hook(late)\n    return y",
        "ValueError: backward",
    ),
    "loss-late": (
        "def loss(self, x, batch):\n    if moved(x): raise ValueError('late')  # here\n    return good(x)",
        "late",
    ),
    "loss-exit-late": ("def loss(self, x, batch):\n    if moved(x): exit()  # here\n    return good(x)", "SystemExit"),
    "loss-memory-late": (
        "def loss(self, x, batch):\n    if moved(x): raise MemoryError  # here\n    return good(x)",
        "MemoryError",
    ),
    "loss-float-late": ("def loss(self, x, batch):\n    return 0.5 if moved(x) else good(x)", "a float ("),
    "loss-detached-late": (
        "def loss(self, x, batch):\n    return good(x).detach() if moved(x) else good(x)",
        "without a gradient",
    ),
    "loss-many-lanes": (
        "def loss(self, x, batch):\n    if len(x) > 2: raise ValueError('many')  # here\n    return good(x)",
        "ValueError: many",
    ),
    "loss-shape-of-many-lanes": (
        "def loss(self, x, batch):\n    return good(x)[:2] if x.dim() == 3 else good(x)",
        "shape [2, 1] for x [",
    ),
    # the start
    "start-raises": ("def start(self, seeds):\n    raise OSError('no file')  # here", "OSError: no file"),
    "start-exit": ("def start(self, seeds):\n    quit()  # here", "SystemExit"),
    "start-none": ("def start(self, seeds):\n    pass", "gave None"),
    "start-list": ("def start(self, seeds):\n    return [[1.0, 1.0] for _ in seeds]", "gave a list"),
    "start-one-row": ("def start(self, seeds):\n    return torch.ones(2)", "shape [2] for 2 seeds and dim 2"),
    "start-wide": ("def start(self, seeds):\n    return torch.ones(len(seeds), 3)", "shape [2, 3]"),
    "start-whole": ("def start(self, seeds):\n    return torch.ones(len(seeds), 2).long()", "a tensor of int64"),
    "start-complex": ("def start(self, seeds):\n    return torch.ones(len(seeds), 2) * 1j", "a tensor of complex64"),
    "start-nan": (
        "def start(self, seeds):\n    return torch.full((len(seeds), 2), float('nan'))",
        "2 of 2 numbers not finite for seed 0",
    ),
    "start-nan-later": (
        "def start(self, seeds):\n"
        "    return torch.tensor([[1.0, float('nan') if seed > 1000 else 1.0] for seed in seeds])",
        "1 of 2 numbers not finite for seed 1001",
    ),
    # the evaluation
    "evaluate-raises": ("def evaluate(self, x):\n    raise ValueError('held')  # here", "ValueError: held"),
    "evaluate-tensor": ("def evaluate(self, x):\n    return good(x)", "gave a tensor of float32"),
    "evaluate-none": ("def evaluate(self, x):\n    pass", "gave None"),
    "evaluate-no-loss": ("def evaluate(self, x):\n    return {'accuracy': good(x)}", "gave ['accuracy']"),
    "evaluate-numbers": ("def evaluate(self, x):\n    return {0: good(x), 'loss': good(x)}", "gave [0, 'loss']"),
    "evaluate-float": ("def evaluate(self, x):\n    return {'loss': float(x.sum())}", "as 'loss' a float"),
    "evaluate-nan": ("def evaluate(self, x):\n    return {'loss': good(x) * float('nan')}", "nan at the start"),
    "evaluate-inf": ("def evaluate(self, x):\n    return {'loss': good(x) * float('-inf')}", "-inf at the start"),
    "evaluate-nan-of-a-seed": (
        "def start(self, seeds):\n    return torch.tensor([[float(seed), 1.0] for seed in seeds])\n"
        "def evaluate(self, x):\n    return {'loss': good(x) * (float('nan') if (x[..., 0] > 1000).any() else 1.0)}",
        "nan at the start",
    ),
    "metric-shape": ("def evaluate(self, x):\n    return {'loss': good(x), 'norm': x}", "as 'norm' shape [2, 2, 2]"),
    "metric-scalar": ("def evaluate(self, x):\n    return {'loss': good(x), 'norm': x.sum()}", "as 'norm' shape []"),
    "metric-text": ("def evaluate(self, x):\n    return {'loss': good(x), 'note': 'fine'}", "as 'note' a str"),
    "evaluate-late": (
        "def evaluate(self, x):\n    if moved(x): raise ValueError('late')  # here\n    return {'loss': good(x)}",
        "ValueError: late",
    ),
    "evaluate-shape-late": (
        "def evaluate(self, x):\n    return {'loss': good(x).mean() if moved(x) else good(x)}",
        "as 'loss' shape []",
    ),
    # the data
    "batches-raise": ("def batches(self, seeds, steps):\n    raise OSError('gone')  # here", "OSError: gone"),
    "batches-none": ("def batches(self, seeds, steps):\n    pass", "TypeError"),
    "batches-empty": ("def batches(self, seeds, steps):\n    return iter(())", "gave 0 for 2 steps"),
    "batches-few": ("def batches(self, seeds, steps):\n    yield from [None] * 3", "gave 3 for 4 steps"),
    "batches-lists": ("def batches(self, seeds, steps):\n    yield from [[1.0]] * steps", "gave a list"),
    "batches-texts": ("def batches(self, seeds, steps):\n    yield from 'abcdefgh'", "gave a str"),
    "batches-late": (
        "def batches(self, seeds, steps):\n    yield from [None] * 3\n    raise ValueError('late')  # here",
        "ValueError: late",
    ),
    "batches-exit-late": (
        "def batches(self, seeds, steps):\n    yield from [None] * 3\n    exit(0)  # here",
        "SystemExit: 0",
    ),
    "data-of-a-field": (
        "rows = cached_property(lambda self: spoilt(4).numpy())\n"
        "def loss(self, x, batch):\n    return (x * torch.from_numpy(self.rows).mean(0)).sum(-1)",
        "nan at the start, where its rows, [32, 2], holds 4 values that are nan or inf",
    ),
    "data-of-a-batch": (
        "def batches(self, seeds, steps):\n    yield from [(good(spoilt(0)), spoilt(4))] * steps\n"
        "def loss(self, x, batch):\n    return good(x) if batch is None else x.sum(-1) * batch[1].sum()",
        "nan at the start, where tensor 2 of the batch, [32, 2], holds 4 values",
    ),
    # the facts
    "facts-no-dim": ("@property\ndef facts(self):\n    return Facts(minimum=0.0)  # here", "'dim'"),
    "facts-none": ("facts = None", "NoneType"),
    "facts-raise": ("@property\ndef facts(self):\n    raise KeyError('facts')  # here", "KeyError: 'facts'"),
    "dim-zero": ("facts = Facts(dim=0)", "dim = 0, which should be a whole number of at least 1"),
    "dim-negative": ("facts = Facts(dim=-2)", "dim = -2"),
    "dim-float": ("facts = Facts(dim=2.0)", "dim = 2.0"),
    "dim-text": ("facts = Facts(dim='2')", "dim = '2'"),
    "dim-other": ("facts = Facts(dim=3)", "shape [2, 2] for 2 seeds and dim 3"),
    "chunk-zero": ("facts = Facts(dim=2, chunk=0)", "chunk = 0"),
    "steps-float": ("facts = Facts(dim=2, steps=4.5)", "steps = 4.5"),
    "steps-zero": ("facts = Facts(dim=2, steps=0)", "steps = 0"),
    "minimum-nan": ("facts = Facts(dim=2, minimum=float('nan'))", "minimum = nan"),
    "minimum-inf": ("facts = Facts(dim=2, minimum=float('-inf'))", "minimum = -inf"),
    "minimum-text": ("facts = Facts(dim=2, minimum='0')", "minimum = '0'"),
    "minimum-tensor": ("facts = Facts(dim=2, minimum=torch.zeros(()))", "minimum = tensor(0.)"),
    "minimum-raises": (
        "@cached_property\ndef minimum(self):\n    raise ValueError('unsolved')  # here",
        "ValueError: unsolved",
    ),
    "target-nan": ("facts = Facts(dim=2, target=float('nan'))", "target = nan"),
    "tags-numbers": ("facts = Facts(dim=2, tags=frozenset({1, 2}))", "tags = frozenset({1, 2})"),
    "tags-text": ("facts = Facts(dim=2, tags='stochastic')", "tags = 'stochastic'"),
    "deterministic-text": ("facts = Facts(dim=2, deterministic='yes')", "deterministic = 'yes'"),
    "dtype-whole": ("facts = Facts(dim=2, dtype=torch.int64)", "dtype = torch.int64"),
    "minimisers-flat": ("facts = Facts(dim=2, minimisers=(0.0, 0.0))", "the minimiser 0.0"),
    "minimisers-short": ("facts = Facts(dim=2, minimisers=((0.0,),))", "the minimiser (0.0,)"),
    # the rest
    "project-raises": ("def project_(self, x):\n    raise ValueError('outside')  # here", "ValueError: outside"),
    "definition-raises": ("def definition(self):\n    raise ValueError('of what')  # here", "ValueError: of what"),
    "fingerprint-raises": ("def fingerprint(self):\n    raise ValueError('inky')  # here", "ValueError: inky"),
    "init-raises": ("def __init__(self):\n    raise ValueError('not made')  # here", "not made"),
    "init-exit": ("def __init__(self):\n    exit()  # here", "SystemExit"),
}
"""Problems of a class: the body, and what must be said."""

MODULES: Mapping[str, tuple[str, str]] = {
    "module-detached": (
        "ModuleProblem(net, lambda y, t: (y - t).square().mean().detach(), DATA)",
        "without a gradient",
    ),
    "module-float": ("ModuleProblem(net, lambda y, t: 1.0, DATA)", "gave a float instead of a tensor"),
    "module-each": ("ModuleProblem(net, lambda y, t: (y - t).square(), DATA)", "one number each"),
    "module-raises": ("ModuleProblem(net, lambda y, t: {}['a'], DATA)  # here", "KeyError: 'a'"),
    "module-nan": ("ModuleProblem(net, lambda y, t: y.mean() * float('nan'), DATA)", "nan at the start"),
    "module-targets": ("ModuleProblem(net, nn.functional.cross_entropy, (DATA[0], DATA[0][:, 0].long() + 9))", "Error"),
    "module-inputs": ("ModuleProblem(net, mse, (torch.ones(32, 5), DATA[1]))", "RuntimeError"),
    "module-lists": ("ModuleProblem(net, mse, ([[1.0, 2.0]], [[1.0]]))  # here", "data are torch tensors"),
    "module-lengths": ("ModuleProblem(net, mse, (DATA[0], DATA[1][:3]))  # here", "32 and 3 rows"),
    "module-late-data": ("ModuleProblem(net, mse, lambda: open('/nowhere'))  # here", "FileNotFoundError"),
    "module-late-lists": ("ModuleProblem(net, mse, lambda: ([1.0], [2.0]))", "data are torch tensors"),
    "module-metric": ("ModuleProblem(net, mse, DATA, metrics={'all': lambda y, t: y})", "one number each"),
    "module-metric-raises": (
        "ModuleProblem(net, mse, DATA, metrics={'all': lambda y, t: 1 / 0})  # here",
        "ZeroDivision",
    ),
    "module-heldout": ("ModuleProblem(net, mse, DATA, heldout=(DATA[0], DATA[1][:2]))", "32 and 2 rows"),
    "module-rows": ("ModuleProblem(net, mse, (DATA[0][:8], DATA[1][:8]))", "all 8 rows, got batch=32"),
    "data-nan": (
        "ModuleProblem(net, mse, (spoilt(3), DATA[1]))  # here",
        "input 1 of data, [32, 2], holds 3 values that are nan or inf",
    ),
    "data-inf": ("ModuleProblem(net, mse, (DATA[0], spoilt(1)))  # here", "the target of data, [32, 2], holds 1 value"),
    "data-late-nan": ("ModuleProblem(net, mse, lambda: (DATA[0], spoilt(2)))", "the target of data"),
    "heldout-nan": (
        "ModuleProblem(net, mse, DATA, heldout=(spoilt(5), DATA[1]))",
        "input 1 of heldout, [32, 2], holds 5",
    ),
    "module-norm": ("ModuleProblem(lambda: nn.BatchNorm1d(2), mse, DATA, lanes=True)  # here", "running statistics"),
    "module-dropout": (
        "ModuleProblem(lambda: nn.Sequential(net(), nn.Dropout(0.5)), mse, DATA, lanes=True)  # here",
        "drops units at random",
    ),
    "module-instance": ("ModuleProblem(nn.Linear(2, 1), mse, DATA)  # here", "a function that makes the module"),
    "module-none": ("ModuleProblem(lambda: None, mse, DATA)  # here", "gave a NoneType"),
    "module-batch": ("ModuleProblem(net, mse, DATA, batch=0)  # here", "batch and chunk must be at least 1"),
    "module-steps": ("ModuleProblem(net, mse, DATA, steps=2.5)", "steps = 2.5"),
    "module-minimum": ("ModuleProblem(net, mse, DATA, minimum=float('nan'))", "minimum = nan"),
    "module-tags": ("ModuleProblem(net, mse, DATA, tags=[1])", "tags = frozenset("),
    "module-forward": ("ModuleProblem(Broken, mse, DATA)", "ValueError: forward"),
    "module-random": ("ModuleProblem(net, lambda y, t: (y * torch.rand(())).mean(), DATA)  # here", "random"),
    "module-no-problem": ("3", "it should make a Problem, and made int"),
    "module-build": ("{}['build']  # here", "KeyError: 'build'"),
}
"""What a function of the user's gives for a problem, most of them of an ``nn.Module``."""

RULES: Mapping[str, tuple[str, str]] = {
    "rule-raises": (
        "def update(self, g, state, hp, t):\n    raise ValueError('no step')  # here",
        "ValueError: no step",
    ),
    "rule-late": (
        "def update(self, g, state, hp, t):\n    if t > 2: raise ValueError('late')  # here\n    return -0.1 * g",
        "update at step 3 raised ValueError: late",
    ),
    "rule-exit": ("def update(self, g, state, hp, t):\n    exit()  # here", "SystemExit"),
    "rule-none": ("def update(self, g, state, hp, t):\n    pass", "TypeError"),
    "rule-shape": ("def update(self, g, state, hp, t):\n    return -g[..., :2]", "RuntimeError"),
    "rule-hp": ("def update(self, g, state, hp, t):\n    return -hp['rate'] * g  # here", "KeyError: 'rate'"),
    "rule-state": ("def init(self, x):\n    return {'s': x.zeros()}  # here", "AttributeError"),
    "rule-lanes": (
        "def update(self, g, state, hp, t):\n    return -g * (1 if g.dim() < 3 else g.new_ones(7))  # here",
        "RuntimeError",
    ),
}
"""Rules of the user's own: the body over a plain descent, and what must be said."""

HEAD = """
from dataclasses import dataclass
from functools import cached_property
import torch
from torch import nn
from optimizers import Hyperparameter, OptimizerSpec, Rule
from problems import Facts, Problem, ProblemSpec
from problems.module import ModuleProblem

DATA = (torch.ones(32, 2), torch.ones(32, 1))
mse = nn.functional.mse_loss

def net():
    return nn.Linear(2, 1)

def spoilt(count):
    table = torch.ones(32, 2)
    table.view(-1)[:count] = float('nan') if count > 1 else float('inf')
    return table

def moved(x):
    return not bool((x == 1).all())

def good(x):
    return x.square().sum(-1)

def late(g):
    raise ValueError('backward')

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))
    def forward(self, x):
        raise ValueError('forward')

@dataclass(frozen=True, eq=False)
class Base(Problem):
    facts = Facts(dim=2, minimum=0.0, steps=4)
    def start(self, seeds):
        return torch.ones(len(seeds), 2, dtype=torch.float64)
    def loss(self, x, batch):
        return good(x)
    def evaluate(self, x):
        return {'loss': self.loss(x, None)}

class Descent(Rule):
    hyperparameters = (Hyperparameter('lr', 0.01, 1e-4, 0.1, 'log'),)
    def init(self, x):
        return {}
    def update(self, g, state, hp, t):
        return -hp['lr'] * g
"""


def plugin_file() -> str:
    """A plug-in file with every one of them, by name; and the same problem without a fault, ``good``."""
    parts = [HEAD, "spec_good = ProblemSpec('good', Base, 'A bowl.', 'here')"]
    for place, (name, (body, _)) in enumerate(PROBLEMS.items()):
        parts += [f"class Odd{place}(Base):", textwrap.indent(body, "    ")]
        parts += [f"spec_{place} = ProblemSpec({name!r}, Odd{place}, 'Odd.', 'here')"]
    for place, (name, (body, _)) in enumerate(MODULES.items()):
        parts += [f"def module_{place}():\n    return {body}"]
        parts += [f"spec_module_{place} = ProblemSpec({name!r}, module_{place}, 'Odd.', 'here')"]
    for place, (name, (body, _)) in enumerate(RULES.items()):
        parts += [f"class Rule{place}(Descent):", textwrap.indent(body, "    ")]
        parts += [f"rule_{place} = OptimizerSpec({name!r}, Rule{place}(), ('lr', None), 'Odd.', 'here')"]
    return "\n".join(parts) + "\n"

"""Optimizers and the engine together: a lane of the engine ends, to the bit, where the torch optimizer ends.

An integration test: it means to hold the two sides, `RuleOptimizer` and the lanes engine, against each other.
"""

import pytest
import torch

from analysis.record.outcome import Outcome
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import make_problem
from optimizers import BUILTIN, OptimizerSpec

C, STEPS = 5, 20
POSITIONS = (0.0, 0.21, 0.5, 0.83, 1.0)  # of the search range; both ends are the hardest arithmetic


def configurations(spec: OptimizerSpec) -> dict[str, list[float]]:
    """C values of every searched hyperparameter over its whole range, the others at their defaults."""
    return {
        knob.name: [
            knob.at(POSITIONS[(c + place) % C]) if knob.name in spec.searched else knob.default for c in range(C)
        ]
        for place, knob in enumerate(spec.hyperparameters)
    }


@pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)
def test_the_lanes_engine_ends_where_the_class_ends_on_the_same_problem(spec: OptimizerSpec) -> None:
    problem, values = make_problem("ellipse"), configurations(spec)
    columns = {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()}
    trace = train(Training(problem, spec, seeds=[0], steps=STEPS, chunk=2, keep_path=True), columns)
    assert trace.path is not None
    finished = (trace.status[:, 0] == Outcome.FINISHED).nonzero().flatten().tolist()  # a diverged lane may have left
    assert len(finished) >= 3
    for c in finished:
        x = problem.start([0])[0].requires_grad_()
        optimizer = spec.torch([x], **{name: v[c] for name, v in values.items()})
        for _ in range(STEPS):
            optimizer.zero_grad()
            problem.loss(x, None).sum().backward()
            optimizer.step()
        optimizer.eval()  # a path is where runs are judged
        if spec.rule.to_the_bit:
            assert torch.equal(x.detach(), trace.path[c, 0, -1])
        else:  # the first gradient alone makes a singular matrix, of whose root half of the digits are right
            torch.testing.assert_close(x.detach(), trace.path[c, 0, -1], rtol=1e-7, atol=1e-7)

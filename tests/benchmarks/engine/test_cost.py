"""What a step of one run costs: of any optimizer, with the memory that its state takes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.engine.cost import step_cost
from benchmarks.engine.training import Training


@pytest.mark.parametrize(
    ("problem", "optimizer", "held"),
    [
        ("ellipse", "sgd", 0),
        ("ellipse", "rmsprop", 2 * 8),
        ("ellipse", "adam", 2 * 2 * 8 + 2 * 8),  # two averages, and the running products of their decays
        ("airfoil", "rmsprop", 6 * 4),
        ("ellipse", "torch:SGD", 0),
        ("ellipse", "torch:RMSprop", 2 * 8 + 4),  # and its count of steps
    ],
)
def test_a_step_takes_time_and_the_optimizer_a_share_of_it_and_its_state_memory(
    problem: str, optimizer: str, held: int
) -> None:
    cost = step_cost(Training(problem, optimizer, [7, 8], 1000), {"lr": 0.01})
    assert 1e-6 < cost.seconds < 1
    assert 0 <= cost.optimizer_share < 1
    assert cost.state_bytes == held


class Odd(torch.optim.SGD):
    """Keeps what it knows wherever authors do: a count and a tensor beside the parameters, a history in a list."""

    @torch.no_grad()
    def step(self, closure=None):
        self.state["count"] = self.state.get("count", 0) + 1
        self.state["mean"] = torch.zeros(3)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["last"] = [p.detach().clone(), p.detach().clone()]
        return super().step(closure)


def test_state_is_counted_wherever_an_optimizer_keeps_it() -> None:
    cost = step_cost(Training("ellipse", f"{__file__}:Odd", [7], 10), {"lr": 0.01})
    assert cost.state_bytes == 3 * 4 + 2 * 2 * 8


def test_a_slow_step_is_measured_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [0.0], []

    def tick() -> float:
        now[0] += 1.0
        looks.append(now[0])
        return now[0]

    monkeypatch.setattr("benchmarks.engine.cost.time.perf_counter", tick)
    cost = step_cost(Training("ellipse", "sgd", [7], 10), {})
    assert len(looks) < 30  # of eighteen steps: four looks each, and one at the budget
    assert cost.seconds == 1.0
    assert cost.optimizer_share == 0.0

"""Update rules of gradient optimizers, each defined once, as values; usable alone as `torch.optim.Optimizer`."""

from optimizers.builtin import BUILTIN, SCHEDULES, WRAPPERS
from optimizers.rule import Hyperparameter, Rule
from optimizers.schedule import Schedule
from optimizers.spec import OptimizerSpec
from optimizers.torch_optimizer import RuleOptimizer
from optimizers.wrappers import Wrapper

__all__ = [
    "BUILTIN",
    "SCHEDULES",
    "WRAPPERS",
    "Hyperparameter",
    "OptimizerSpec",
    "Rule",
    "RuleOptimizer",
    "Schedule",
    "Wrapper",
]

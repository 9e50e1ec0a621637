"""Update rules of gradient optimizers, each defined once, as values; usable alone as `torch.optim.Optimizer`."""

from optimizers.builtin import BUILTIN, SCHEDULES
from optimizers.rule import Hyperparameter, Rule
from optimizers.schedule import Schedule
from optimizers.spec import OptimizerSpec
from optimizers.torch_optimizer import RuleOptimizer

__all__ = ["BUILTIN", "SCHEDULES", "Hyperparameter", "OptimizerSpec", "Rule", "RuleOptimizer", "Schedule"]

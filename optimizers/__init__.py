"""Update rules of gradient optimizers, each defined once, as values; usable alone as `torch.optim.Optimizer`."""

from optimizers.adagrad import Adagrad
from optimizers.adam import Adam
from optimizers.rmsprop import RMSProp
from optimizers.rule import Hyperparameter, Rule
from optimizers.schedule import Constant, Schedule
from optimizers.sgd import SGD, Momentum
from optimizers.spec import OptimizerSpec
from optimizers.torch_optimizer import RuleOptimizer

__all__ = ["BUILTIN", "SCHEDULES", "Hyperparameter", "OptimizerSpec", "Rule", "RuleOptimizer", "Schedule"]

BUILTIN: tuple[OptimizerSpec, ...] = (
    OptimizerSpec("sgd", SGD(), ("lr", None), "Robbins and Monro 1951", "gradient descent"),
    OptimizerSpec("momentum", Momentum(), ("lr", "momentum"), "Polyak 1964; d2l 12.6", "heavy ball, lr outside the buffer"),
    OptimizerSpec("nesterov", Momentum(nesterov=True), ("lr", "momentum"), "Sutskever et al. 2013", "look-ahead momentum, as torch's"),
    OptimizerSpec("adagrad", Adagrad(), ("lr", None), "Duchi et al. 2011; d2l 12.7", "the chapter's: eps inside the root"),
    OptimizerSpec("rmsprop", RMSProp(), ("lr", "gamma"), "Hinton 2012; d2l 12.8", "the chapter's: eps 1e-6 inside the root, s starts at 0"),
    OptimizerSpec(
        "rmsprop-torch", RMSProp(eps_inside=False), ("lr", "gamma"), "torch.optim.RMSprop",
        "torch's: eps 1e-8 outside the root, gamma 0.99", defaults={"gamma": 0.99, "eps": 1e-8},
    ),
    OptimizerSpec(
        "rmsprop-corrected", RMSProp(eps_inside=False, corrected=True), ("lr", "gamma"), "Kingma and Ba 2015, beta1 = 0",
        "bias-corrected: no large first steps", defaults={"eps": 1e-8},
    ),
    OptimizerSpec("adam", Adam(), ("lr", "beta2"), "Kingma and Ba 2015, alg. 1", "leaky averages of g and g², both bias-corrected"),
)  # fmt: skip
"""Every built-in optimizer, in the order they are listed."""

SCHEDULES: dict[str, type[Schedule]] = {"constant": Constant}
"""Every built-in schedule by name; parameters are the fields of the class."""

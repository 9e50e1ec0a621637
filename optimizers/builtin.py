"""Every built-in optimizer and schedule by name. A name is a contract: one exact rule with its defaults."""

from __future__ import annotations

from optimizers.adadelta import Adadelta
from optimizers.adafactor import Adafactor
from optimizers.adagrad import Adagrad
from optimizers.adam import AdaBelief, Adam, AdamW, NAdam, Yogi
from optimizers.averages import Averaged, Lookahead, PolynomialAverage, ScheduleFree
from optimizers.delayed import Delayed
from optimizers.layerwise import LAMB, LARS
from optimizers.lr_schedules import (
    Cosine,
    Exponential,
    Inverse,
    InverseSqrt,
    Knots,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Step,
    Warmup,
    WarmupStableDecay,
)
from optimizers.memory_schedules import (
    BiasCorrection,
    CappedAverage,
    GammaCosine,
    GammaKnots,
    GammaLinear,
    OneMinusGammaOverT,
    OneMinusInverse,
    OneMinusPower,
)
from optimizers.mukkamala_hein import MHRMSProp, SCAdagrad, SCRMSProp
from optimizers.muon import Muon
from optimizers.rmsprop import RMSProp, RMSPropMomentum
from optimizers.rprop import Rprop
from optimizers.schedule import Constant, Schedule
from optimizers.sgd import SGD, Momentum
from optimizers.shampoo import SOAP, FullAdagrad, Shampoo
from optimizers.sign import Lion, SignSGD, Signum
from optimizers.spec import OptimizerSpec
from optimizers.tuning_free import DAdaptAdam, DoG, Mechanic, Prodigy
from optimizers.wrappers import Cautious, ClippedByNorm, ClippedByValue, Decayed, Wrapper

__all__ = ["BUILTIN", "SCHEDULES", "WRAPPERS"]

SGD_FAMILY = (
    OptimizerSpec("sgd", SGD(), ("lr", None), "Robbins and Monro 1951", "gradient descent"),
    OptimizerSpec(
        "momentum", Momentum(), ("lr", "momentum"), "Polyak 1964; d2l 12.6",
        "heavy ball, lr outside the buffer, as torch's",
    ),
    OptimizerSpec(
        "momentum-ema", Momentum(averaged=True), ("lr", "momentum"), "Adam's first moment; Kingma and Ba 2015, alg. 1",
        "leaky average of gradients: heavy ball with lr (1 - momentum)",
    ),
    OptimizerSpec(
        "nesterov", Momentum(nesterov=True), ("lr", "momentum"), "Sutskever et al. 2013; torch.optim.SGD",
        "look-ahead momentum, as torch's",
    ),
    OptimizerSpec("signsgd", SignSGD(), ("lr", None), "Bernstein et al. 2018, alg. 1", "every coordinate moves by lr"),
    OptimizerSpec(
        "signum", Signum(), ("lr", "momentum"), "Bernstein et al. 2018, alg. 2",
        "sign of the leaky average of gradients",
    ),
)  # fmt: skip

ADAGRAD_FAMILY = (
    OptimizerSpec(
        "adagrad", Adagrad(), ("lr", None), "Duchi, Hazan and Singer 2011; d2l 12.7",
        "the chapter's: eps 1e-6 inside the root",
    ),
    OptimizerSpec(
        "adagrad-torch", Adagrad(eps_inside=False), ("lr", None), "torch.optim.Adagrad",
        "torch's: eps 1e-10 outside the root", defaults={"lr": 0.01, "eps": 1e-10},
    ),
    OptimizerSpec(
        "adagrad-averaged", Adagrad(averaged=True), ("lr", None), "d2l 12.8, the s_t / t of its opening",
        "mean of squared gradients for their sum: RMSProp with gamma = 1 - 1/t",
        defaults={"lr": 0.01}, ranges={"lr": (1e-5, 10.0)},
    ),
    OptimizerSpec(
        "sc-adagrad", SCAdagrad(), ("lr", None), "Mukkamala and Hein 2017 (SC-Adagrad)",
        "no root: divides by the sum of squares, for strongly convex losses",
    ),
)  # fmt: skip

RMSPROP_FAMILY = (
    OptimizerSpec(
        "rmsprop", RMSProp(), ("lr", "gamma"), "Hinton 2012, lecture 6e; d2l 12.8",
        "the chapter's: eps 1e-6 inside the root, s starts at 0",
    ),
    OptimizerSpec(
        "rmsprop-torch", RMSProp(eps_inside=False), ("lr", "gamma"), "torch.optim.RMSprop",
        "torch's: eps 1e-8 outside the root, gamma 0.99", defaults={"gamma": 0.99, "eps": 1e-8},
    ),
    OptimizerSpec(
        "rmsprop-tf1", RMSProp(start=1.0), ("lr", "gamma"),
        "tf.compat.v1.train.RMSPropOptimizer; lr of timm's RMSpropTF",
        "TensorFlow 1's: s starts at 1, eps 1e-10 inside the root", defaults={"eps": 1e-10},
    ),
    OptimizerSpec(
        "rmsprop-centered", RMSProp(eps_inside=False, centered=True), ("lr", "gamma"),
        "torch.optim.RMSprop(centered=True)",
        "torch's: variance for the second moment, clamped at 0", defaults={"gamma": 0.99, "eps": 1e-8},
    ),
    OptimizerSpec(
        "rmsprop-graves", RMSPropMomentum(centered=True, lr_inside=True), ("lr", "gamma"),
        "Graves 2013 (arXiv 1308.0850), eq. 38-45",
        "centred, with momentum 0.9 over the steps, eps 1e-4 inside the root",
        defaults={"lr": 1e-4, "gamma": 0.95, "eps": 1e-4}, ranges={"lr": (1e-6, 1.0)},
    ),
    OptimizerSpec(
        "rmsprop-momentum", RMSPropMomentum(eps_inside=False), ("lr", "gamma"), "torch.optim.RMSprop(momentum=0.9)",
        "torch's with momentum 0.9, lr outside the buffer", defaults={"gamma": 0.99, "eps": 1e-8},
    ),
    OptimizerSpec(
        "rmsprop-corrected", RMSProp(eps_inside=False, corrected=True), ("lr", "gamma"),
        "Kingma and Ba 2015, alg. 1 with beta1 = 0", "bias-corrected: no large first steps", defaults={"eps": 1e-8},
    ),
    OptimizerSpec(
        "rmsprop-amsgrad", RMSProp(running_max=True), ("lr", "gamma"),
        "Reddi, Kale and Kumar 2018, alg. 2 with beta1 = 0",
        "largest second moment so far: step sizes never grow",
    ),
    OptimizerSpec(
        "rmsprop-mh", MHRMSProp(), ("lr", "gamma"), "Mukkamala and Hein 2017, alg. 3",
        "memory 1 - gamma/t and steps like lr/√t; Adagrad at gamma = 1",
    ),
    OptimizerSpec(
        "sc-rmsprop", SCRMSProp(), ("lr", "gamma"), "Mukkamala and Hein 2017 (SC-RMSProp)",
        "no root and memory 1 - gamma/t; sc-adagrad at gamma = 1",
    ),
    OptimizerSpec(
        "rprop", Rprop(), ("lr", None), "Igel and Huesken 2003, iRprop-; torch.optim.Rprop",
        "sizes adapted by signs alone, from lr on; for full batches",
    ),
    OptimizerSpec(
        "adadelta", Adadelta(), ("lr", "gamma"), "Zeiler 2012, alg. 1; torch.optim.Adadelta",
        "leaky average of squared steps in place of the learning rate",
    ),
)  # fmt: skip

ADAM_FAMILY = (
    OptimizerSpec(
        "adam", Adam(), ("lr", "beta2"), "Kingma and Ba 2015, alg. 1", "leaky averages of g and g², both bias-corrected"
    ),
    OptimizerSpec(
        "adamw", AdamW(), ("lr", "beta2"), "Loshchilov and Hutter 2019, alg. 2; torch.optim.AdamW",
        "Adam with decoupled weight decay",
    ),
    OptimizerSpec(
        "amsgrad", Adam(running_max=True), ("lr", "beta2"),
        "Reddi, Kale and Kumar 2018, alg. 2; torch.optim.Adam(amsgrad=True)",
        "torch's: Adam with the largest second moment so far, corrected",
    ),
    OptimizerSpec(
        "nadam", NAdam(), ("lr", "beta2"), "Dozat 2016; torch.optim.NAdam",
        "torch's: Adam with Nesterov's look-ahead and a momentum schedule", defaults={"lr": 0.002},
    ),
    OptimizerSpec(
        "yogi", Yogi(), ("lr", "beta2"), "Zaheer et al. 2018, alg. 2; optax.yogi",
        "Adam whose second moment falls no faster than it rises", defaults={"lr": 0.01, "eps": 1e-3},
    ),
    OptimizerSpec(
        "adabelief", AdaBelief(), ("lr", "beta2"), "Zhuang et al. 2020, alg. 2; optax.adabelief",
        "Adam with the squared surprise (g - m)² for g²", defaults={"eps": 1e-16},
    ),
    OptimizerSpec(
        "lion", Lion(), ("lr", "beta2"), "Chen et al. 2023, alg. 2",
        "sign of a two-speed average, with decoupled weight decay",
    ),
)  # fmt: skip

MATRIX_FAMILY = (
    OptimizerSpec(
        "adagrad-full", FullAdagrad(), ("lr", None), "Duchi, Hazan and Singer 2011, fig. 2",
        "the root of the whole matrix of products of gradients; up to 2,000",
    ),
    OptimizerSpec(
        "shampoo", Shampoo(), ("lr", None), "Gupta, Koren and Singer 2018, alg. 1",
        "Adagrad with a matrix for each side of a layer's weights",
    ),
    OptimizerSpec(
        "soap", SOAP(), ("lr", "beta2"), "Vyas et al. 2025, alg. 3", "Adam in the eigenbasis of Shampoo's matrices"
    ),
    OptimizerSpec(
        "adafactor", Adafactor(), ("lr", None), "Shazeer and Stern 2018, alg. 4; torch.optim.Adafactor",
        "torch's: second moments by rows and columns, relative steps",
    ),
    OptimizerSpec(
        "muon", Muon(), ("lr", "momentum"), "Jordan et al. 2024; torch.optim.Muon",
        "momentum made orthogonal, matrix by matrix; AdamW for vectors",
    ),
    OptimizerSpec(
        "lars", LARS(), ("lr", "momentum"), "You, Gitman and Ginsburg 2017, alg. 1",
        "heavy ball whose steps are as long as each tensor, times lr",
    ),
    OptimizerSpec(
        "lamb", LAMB(), ("lr", "beta2"), "You et al. 2020, alg. 2",
        "Adam whose steps are as long as each tensor, times lr",
    ),
)  # fmt: skip
"""Rules that see the shapes of the tensors in the vector; see `optimizers.layout`."""

FURTHER = (
    OptimizerSpec(
        "adamw-cautious", Cautious(AdamW()), ("lr", "beta2"), "Liang et al. 2024; timm's AdamW(caution=True)",
        "AdamW without the entries of its step that go up the gradient",
    ),
    OptimizerSpec(
        "schedule-free-sgd", ScheduleFree(SGD()), ("lr", "momentum"),
        "Defazio et al. 2024; schedulefree.SGDScheduleFree",
        "a mean of the path in place of a schedule of lr", defaults={"lr": 1.0},
    ),
    OptimizerSpec(
        "schedule-free-adamw",
        ScheduleFree(Decayed(RMSProp(eps_inside=False, corrected=True), "decoupled")), ("lr", "gamma"),
        "Defazio et al. 2024; schedulefree.AdamWScheduleFree",
        "the same of rmsprop-corrected, their AdamW; gamma is their beta2",
        defaults={"lr": 0.0025, "gamma": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    ),
    OptimizerSpec(
        "dog", DoG(), ("lr", None), "Ivgi, Hinder and Carmon 2023; dog-optimizer",
        "distance from the start over the root of all squared gradients",
    ),
    OptimizerSpec(
        "prodigy", Prodigy(), ("lr", "beta2"), "Mishchenko and Defazio 2024, alg. 4; prodigyopt",
        "Adam whose lr is an estimate of the distance to go",
    ),
    OptimizerSpec(
        "dadapt-adam", DAdaptAdam(), ("lr", "beta2"), "Defazio and Mishchenko 2023; dadaptation.DAdaptAdam",
        "Adam by D-adaptation, the slower estimate before Prodigy's",
    ),
)  # fmt: skip

FAMILIES = (SGD_FAMILY, ADAGRAD_FAMILY, RMSPROP_FAMILY, ADAM_FAMILY, MATRIX_FAMILY, FURTHER)

BUILTIN: tuple[OptimizerSpec, ...] = tuple(spec for family in FAMILIES for spec in family)
"""Every built-in optimizer, in the order they are listed."""

SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "inverse-sqrt": InverseSqrt,
    "inverse": Inverse,
    "step": Step,
    "multi-step": MultiStep,
    "exponential": Exponential,
    "linear": Linear,
    "polynomial": Polynomial,
    "cosine": Cosine,
    "one-cycle": OneCycle,
    "knots": Knots,
    "warmup": Warmup,
    "warmup-stable-decay": WarmupStableDecay,
    "one-minus-inverse": OneMinusInverse,
    "one-minus-gamma-over-t": OneMinusGammaOverT,
    "one-minus-power": OneMinusPower,
    "capped-average": CappedAverage,
    "bias-correction": BiasCorrection,
    "gamma-linear": GammaLinear,
    "gamma-cosine": GammaCosine,
    "gamma-knots": GammaKnots,
}
"""Every built-in schedule by name; its parameters are the fields of the class."""

WRAPPERS: dict[str, tuple[type[Wrapper], ...]] = {
    "clip": (ClippedByNorm, ClippedByValue),
    "cautious": (Cautious,),
    "lookahead": (Lookahead,),
    "ema": (Averaged,),
    "average": (PolynomialAverage,),
    "schedule-free": (ScheduleFree,),
    "mechanic": (Mechanic,),
    "delayed": (Delayed,),
}
"""What may stand around a rule, by the name used in suites; of several the first that takes the options given."""

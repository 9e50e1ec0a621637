"""How frameworks write the optimizers of the SGD, Adagrad, RMSProp and Adam families, and which rule of ours each is.

Read in the sources of torch 2.13, Keras 3.15, TensorFlow 2.21 (`tf.compat.v1.train` and its kernels), optax 0.2.8 and
chapters 12.4 to 12.10 of the book; the tests hold the rules to sequences that those libraries made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from benchmarks.errors import UsageError, nearest
from benchmarks.implementations.forms import Form
from optimizers import BUILTIN, Rule
from optimizers.adagrad import Adagrad
from optimizers.adam import Adam, AdamW
from optimizers.rmsprop import RMSProp, RMSPropMomentum
from optimizers.rule import Decay
from optimizers.sgd import SGD, Momentum

__all__ = ["FRAMEWORKS", "Spelling", "framework_of", "spellings_of"]


@dataclass(frozen=True)
class Spelling:
    """How one framework writes one optimizer.

    ``code`` is the line with ``{}`` where settings stand. ``keywords`` are theirs by our names, ``options`` theirs of
    the rule's static options that can be asked for, ``defaults`` what they take where nothing is said (of theirs, by
    our names), ``fixed`` values that cannot be set. ``decay`` is what ``weight_decay`` does, where there is one.
    ``as_dict`` is a line whose settings are a dictionary; ``wrapped`` is the line of one that decays weights;
    ``complete`` one that needs all of its settings, those of 0 too.
    """

    framework: str
    name: str
    code: str
    rule: Rule
    keywords: Mapping[str, str]
    defaults: Mapping[str, float]
    options: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    decay: Decay | None = None
    as_dict: bool = False
    wrapped: str = "{}"
    complete: bool = False

    def written(self, form: Form) -> str:
        """The line of code that makes ``form``, which has to be one of this spelling's."""
        values = {name: value for name, value in form.values.items() if name in self.keywords}
        said: dict[str, Any] = {}
        for name, value in values.items():
            keyword = self.keywords[name]
            if name in OFF_AT_0 and not value and not self.complete:
                continue
            said[keyword] = (*said.get(keyword, ()), _digits(value)) if keyword == "betas" else _digits(value)
        weight_decay = said.pop(WRAPPED, None)
        own, plain = _options(form.rule), _options(self.rule)
        said |= {keyword: own[name] for name, keyword in self.options.items() if own[name] != plain[name]}
        if self.as_dict:
            return self.code.format(repr(said))
        line = self.code.format(", ".join(f"{key}={value!r}" for key, value in said.items()))
        return line if weight_decay is None else self.wrapped.format(weight_decay, line)

    def form(self, values: Mapping[str, float], options: Mapping[str, Any]) -> Form:
        """The form of this spelling at ``values`` by our names and static ``options``, else at its defaults."""
        rule = replace(self.rule, **options)  # type: ignore[type-var]  # rules are dataclasses
        known = {**self.defaults, **self.fixed, **values}
        weight_decay = known.pop("weight_decay", 0.0)
        if weight_decay and self.decay:
            return Form(rule, {**known, "weight_decay": weight_decay}, self.decay)
        return Form(rule, known)


OFF_AT_0: Final = ("momentum", "weight_decay")
"""What is not written where it is 0: most frameworks keep no buffer then."""

WRAPPED: Final = "(around)"
"""The keyword of a weight decay that is a transformation of its own."""


def _digits(value: float) -> float:
    """A value with the digits that somebody would write: products of settings end in rounding."""
    return float(f"{value:.12g}")


def _options(rule: Rule) -> dict[str, Any]:
    return {each.name: getattr(rule, each.name) for each in fields(rule)}  # type: ignore[arg-type]  # a dataclass


ADAM = {"lr": 0.001, "beta1": 0.9, "beta2": 0.999}

TORCH_NAMES = {"lr": "lr", "weight_decay": "weight_decay"}
TORCH_BETAS = {**TORCH_NAMES, "beta1": "betas", "beta2": "betas", "eps": "eps"}
TORCH = (
    Spelling(
        "torch", "SGD", "torch.optim.SGD(params, {})", Momentum(), {**TORCH_NAMES, "momentum": "momentum"},
        {"lr": 0.001, "momentum": 0.0}, {"nesterov": "nesterov", "dampening": "dampening"}, decay="coupled",
    ),
    Spelling(
        "torch", "Adagrad", "torch.optim.Adagrad(params, {})", Adagrad(eps_inside=False), {**TORCH_NAMES, "eps": "eps"},
        {"lr": 0.01, "eps": 1e-10}, {"start": "initial_accumulator_value"}, decay="coupled",
    ),
    Spelling(
        "torch", "RMSprop", "torch.optim.RMSprop(params, {})", RMSPropMomentum(eps_inside=False),
        {**TORCH_NAMES, "gamma": "alpha", "momentum": "momentum", "eps": "eps"},
        {"lr": 0.01, "gamma": 0.99, "momentum": 0.0, "eps": 1e-8}, {"centered": "centered"}, decay="coupled",
    ),
    Spelling(
        "torch", "Adam", "torch.optim.Adam(params, {})", Adam(), TORCH_BETAS, {**ADAM, "eps": 1e-8},
        {"running_max": "amsgrad"}, decay="coupled",
    ),
    Spelling(
        "torch", "AdamW", "torch.optim.AdamW(params, {})", Adam(), TORCH_BETAS,
        {**ADAM, "eps": 1e-8, "weight_decay": 0.01}, {"running_max": "amsgrad"}, decay="decoupled",
    ),
)  # fmt: skip

KERAS_NAMES = {"lr": "learning_rate", "weight_decay": "weight_decay"}
KERAS_BETAS = {**KERAS_NAMES, "beta1": "beta_1", "beta2": "beta_2", "eps": "epsilon"}
KERAS = (
    Spelling(
        "keras", "SGD", "keras.optimizers.SGD({})", Momentum(lr_inside=True), {**KERAS_NAMES, "momentum": "momentum"},
        {"lr": 0.01, "momentum": 0.0}, {"nesterov": "nesterov"}, decay="decoupled",
    ),
    Spelling(
        "keras", "Adagrad", "keras.optimizers.Adagrad({})", Adagrad(start=0.1), {**KERAS_NAMES, "eps": "epsilon"},
        {"lr": 0.001, "eps": 1e-7}, {"start": "initial_accumulator_value"}, decay="decoupled",
    ),
    Spelling(
        "keras", "RMSprop", "keras.optimizers.RMSprop({})", RMSPropMomentum(lr_inside=True),
        {**KERAS_NAMES, "gamma": "rho", "momentum": "momentum", "eps": "epsilon"},
        {"lr": 0.001, "gamma": 0.9, "momentum": 0.0, "eps": 1e-7}, {"centered": "centered"}, decay="decoupled",
    ),
    Spelling(
        "keras", "Adam", "keras.optimizers.Adam({})", Adam(eps_hat=True), KERAS_BETAS, {**ADAM, "eps": 1e-7},
        {"running_max": "amsgrad"}, decay="decoupled",
    ),
    Spelling(
        "keras", "AdamW", "keras.optimizers.AdamW({})", Adam(eps_hat=True), KERAS_BETAS,
        {**ADAM, "eps": 1e-7, "weight_decay": 0.004}, {"running_max": "amsgrad"}, decay="decoupled",
    ),
)  # fmt: skip

TF_KERAS = tuple(replace(each, framework="tensorflow", code=f"tf.{each.code}") for each in KERAS)

TF1_NAMES = {"lr": "learning_rate"}
TF1 = (
    Spelling(
        "tf1", "GradientDescentOptimizer", "tf.compat.v1.train.GradientDescentOptimizer({})", SGD(), TF1_NAMES,
        {"lr": 0.01},
    ),
    Spelling(
        "tf1", "MomentumOptimizer", "tf.compat.v1.train.MomentumOptimizer({})", Momentum(),
        {**TF1_NAMES, "momentum": "momentum"}, {"lr": 0.01, "momentum": 0.9}, {"nesterov": "use_nesterov"},
        complete=True,
    ),
    Spelling(
        "tf1", "AdagradOptimizer", "tf.compat.v1.train.AdagradOptimizer({})", Adagrad(start=0.1), TF1_NAMES,
        {"lr": 0.01}, {"start": "initial_accumulator_value"}, {"eps": 0.0},
    ),
    Spelling(
        "tf1", "RMSPropOptimizer", "tf.compat.v1.train.RMSPropOptimizer({})",
        RMSPropMomentum(start=1.0, lr_inside=True),
        {**TF1_NAMES, "gamma": "decay", "momentum": "momentum", "eps": "epsilon"},
        {"lr": 0.01, "gamma": 0.9, "momentum": 0.0, "eps": 1e-10}, {"centered": "centered"},
    ),
    Spelling(
        "tf1", "AdamOptimizer", "tf.compat.v1.train.AdamOptimizer({})", Adam(eps_hat=True),
        {**TF1_NAMES, "beta1": "beta1", "beta2": "beta2", "eps": "epsilon"}, {**ADAM, "eps": 1e-8},
    ),
)  # fmt: skip

OPTAX_NAMES = {"lr": "learning_rate"}
OPTAX_BETAS = {**OPTAX_NAMES, "beta1": "b1", "beta2": "b2"}
COUPLED = "optax.chain(optax.add_decayed_weights({}), {})"
OPTAX = (
    Spelling(
        "optax", "sgd", "optax.sgd({})", Momentum(),
        {**OPTAX_NAMES, "momentum": "momentum", "weight_decay": WRAPPED},
        {"lr": 0.01, "momentum": 0.0}, {"nesterov": "nesterov"}, decay="coupled", wrapped=COUPLED,
    ),
    Spelling(
        "optax", "adagrad", "optax.adagrad({})", Adagrad(start=0.1),
        {**OPTAX_NAMES, "eps": "eps", "weight_decay": WRAPPED},
        {"lr": 0.01, "eps": 1e-7}, {"start": "initial_accumulator_value"}, decay="coupled", wrapped=COUPLED,
    ),
    Spelling(
        "optax", "rmsprop", "optax.rmsprop({})", RMSPropMomentum(lr_inside=True),
        {**OPTAX_NAMES, "gamma": "decay", "momentum": "momentum", "eps": "eps", "weight_decay": WRAPPED},
        {"lr": 0.01, "gamma": 0.9, "momentum": 0.0, "eps": 1e-8},
        {"eps_inside": "eps_in_sqrt", "start": "initial_scale", "centered": "centered", "corrected": "bias_correction"},
        decay="coupled", wrapped=COUPLED,
    ),
    Spelling(
        "optax", "adam", "optax.adam({})", Adam(), {**OPTAX_BETAS, "eps": "eps", "weight_decay": WRAPPED},
        {**ADAM, "eps": 1e-8}, decay="coupled", wrapped=COUPLED,
    ),
    Spelling(
        "optax", "adam", "optax.adam({}, eps=0.0)", Adam(eps_inside=True),
        {**OPTAX_BETAS, "eps": "eps_root", "weight_decay": WRAPPED}, {**ADAM, "eps": 1e-8},
        decay="coupled", wrapped=COUPLED,
    ),
    Spelling(
        "optax", "adamw", "optax.adamw({})", Adam(), {**OPTAX_BETAS, "eps": "eps", "weight_decay": "weight_decay"},
        {**ADAM, "eps": 1e-8, "weight_decay": 1e-4}, decay="decoupled",
    ),
)  # fmt: skip

CHAPTER = "d2l.train_ch11({0}, {{}}, data_iter, feature_dim)"
D2L = (
    Spelling(
        "d2l", "sgd", CHAPTER.format("sgd, None"), SGD(), {"lr": "lr"}, {"lr": 0.05}, as_dict=True,
    ),
    Spelling(
        "d2l", "momentum", CHAPTER.format("sgd_momentum, init_momentum_states(feature_dim)"), Momentum(),
        {"lr": "lr", "momentum": "momentum"}, {"lr": 0.02, "momentum": 0.5}, as_dict=True,
    ),
    Spelling(
        "d2l", "adagrad", CHAPTER.format("adagrad, init_adagrad_states(feature_dim)"), Adagrad(), {"lr": "lr"},
        {"lr": 0.1}, fixed={"eps": 1e-6}, as_dict=True,
    ),
    Spelling(
        "d2l", "rmsprop", CHAPTER.format("rmsprop, init_rmsprop_states(feature_dim)"), RMSProp(),
        {"lr": "lr", "gamma": "gamma"}, {"lr": 0.01, "gamma": 0.9}, fixed={"eps": 1e-6}, as_dict=True,
    ),
    Spelling(
        "d2l", "adam", CHAPTER.format("adam, init_adam_states(feature_dim)").replace("{}", "{} | {{'t': 1}}"), Adam(),
        {"lr": "lr"}, {"lr": 0.01}, fixed={"beta1": 0.9, "beta2": 0.999, "eps": 1e-6}, as_dict=True,
    ),
)  # fmt: skip

FAMILIES: Final = (SGD, Momentum, Adagrad, RMSProp, RMSPropMomentum, Adam, AdamW)

OURS = tuple(
    Spelling(
        "stepscape",
        spec.name,
        f'OPTIMIZERS["{spec.name}"].torch(params, {{}})',
        Adam(**_options(spec.rule)) if isinstance(spec.rule, AdamW) else spec.rule,
        {name: name for name in spec.default_values},
        spec.default_values,
        decay="decoupled" if isinstance(spec.rule, AdamW) else None,
    )
    for spec in BUILTIN
    if type(spec.rule) in FAMILIES
)

FRAMEWORKS: Final[Mapping[str, tuple[Spelling, ...]]] = {
    "torch": TORCH,
    "keras": KERAS,
    "tensorflow": TF_KERAS,
    "tf1": TF1,
    "optax": OPTAX,
    "d2l": D2L,
    "stepscape": OURS,
}
"""Every framework's spellings; the book's chapter is ``d2l``, and also called so."""

ALSO: Final = {
    "pytorch": "torch",
    "tf": "tensorflow",
    "chapter": "d2l",
    "book": "d2l",
    "jax": "optax",
    "ours": "stepscape",
}


def framework_of(name: str) -> str:
    """The framework that is called ``name``; raises `UsageError` for an unknown one, with the nearest."""
    known = ALSO.get(name.lower(), name.lower())
    if known not in FRAMEWORKS:
        near = nearest(name.lower(), [*FRAMEWORKS, *ALSO])
        raise UsageError(f"no framework is called {name!r}{near}; there are {', '.join(FRAMEWORKS)}")
    return known


def spellings_of(text: str) -> tuple[Spelling, ...]:
    """The spellings that ``FRAMEWORK:NAME`` or a registered ``NAME`` means: mostly one, several by where eps stands.

    Raises `UsageError` for what no framework, or none of the four families, has.
    """
    framework, separator, name = text.partition(":")
    framework, name = (framework_of(framework), name) if separator else ("stepscape", text)
    found = tuple(each for each in FRAMEWORKS[framework] if each.name == name)
    if not found:
        known = list(dict.fromkeys(each.name for each in FRAMEWORKS[framework]))
        raise UsageError(
            f"{framework} has no {name!r} among the families of SGD, Adagrad, RMSProp and Adam{nearest(name, known)}; "
            f"translated are {', '.join(known)}"
        )
    return found

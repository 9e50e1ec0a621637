"""The schema of every exhibit: its question, its tables with the meaning of each column, and its facts.

Everywhere: a *range* is the 5% and the 95% quantile over runs, in the columns ``low`` and ``high``; ``gap`` is the loss
minus the problem's floor; a value that a diverged run does not have is missing (NaN), and ``status`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["SCHEMAS", "ExhibitSchema"]


@dataclass(frozen=True)
class ExhibitSchema:
    """What an exhibit holds: the question it answers, ``{table: {column: meaning}}`` and ``{fact: meaning}``."""

    question: str
    tables: Mapping[str, Mapping[str, str]]
    facts: Mapping[str, str]


OPTIMIZER = "registered name of the optimizer"
STATUS = "finished | diverged"
POINT = {"x1": "first parameter", "x2": "second parameter"}
SPREAD = {
    "mean": "mean over seeds", "deviation": "standard deviation over seeds", "low": "5% quantile", "median": "median",
    "high": "95% quantile", "seeds": "number of seeds",
    "diverged": "number of them that diverged; left out of the rest",
}  # fmt: skip

SCHEMAS: Final[Mapping[str, ExhibitSchema]] = {
    "numbers": ExhibitSchema(
        "Do the numbers printed in the book come out again?",
        {
            "numbers": {
                "run": "name of the run: equal for the numbers of one run; joins `outcomes`",
                "section": "section of the book, as 12.8",
                "title": "what is run, in words",
                "optimizer": OPTIMIZER,
                "problem": "registered name of the problem",
                "setting": "hyperparameters, batch and budget, in words",
                "quantity": "x | x1 | x2 | loss: what is printed",
                "edition": "whose printout: all (every edition the same) | newest | older | names of libraries",
                "printed": "the book's number", "digits": "its number of decimals",
                "stored_low": "lowest printout of all editions of the book; NaN where they agree or are not known",
                "stored_high": "highest of them",
                "kind": "exact (deterministic) | distribution (the book's is one random draw)",
                "data": "none | surrogate | file: what a regression was trained on",
                "ours": "our number: the value, or the median over seeds",
                "low": "5% quantile over seeds; NaN where exact", "high": "95% quantile over seeds; NaN where exact",
                "mean": "mean over seeds", "deviation": "standard deviation over seeds; 0 where exact",
                "seeds": "number of seeds; 1 where exact",
                "place": "share of our seeds that end below the book's number (ties count half); NaN where exact",
                "verdict": "exact (same to the printed digits) | inside (the 90% range) | differs",
                "reason": "why it differs, in words; empty otherwise",
            },
            "outcomes": {
                "run": "as in numbers", "quantity": "as in numbers", "data": "as in numbers", "seed": "seed",
                "value": "where this seed ended; NaN where it diverged",
            },
            "data_sets": {"run": "as in numbers", "data": "surrogate | file", **SPREAD},
        },
        {
            "numbers": "number of printed numbers (rows of the table)", "exact": "how many come out exactly",
            "inside": "how many lie in our 90% range", "differs": "how many do neither",
            "seeds": "seeds of a regression run", "floor": "lowest loss of the regression",
            "start_loss": "its loss at weights 0", "limit_lr": "2 / its largest eigenvalue: where descent diverges",
            "data": "surrogate | file: what `numbers` rests on", "has_file": "whether the real file was at hand too",
            "largest_shift": "largest |difference of means| surrogate - file over all runs; null without the file",
            "shift_errors": "that difference in standard errors; null without the file",
            "clearest_shift": "|difference of means| of the run where it is most standard errors; null likewise",
            "clearest_errors": "that difference in standard errors", "clearest_run": "and that run's name",
        },
    ),
    "memory": ExhibitSchema(
        "How far back does the average of squared gradients look?",
        {
            "weights": {
                "gamma": "memory", "age": "steps ago, from 0",
                "weight": "weight of the squared gradient of that age, measured by an impulse through the rule",
                "theory": "(1 - gamma) gamma^age", "cumulative": "sum of the weights up to this age",
            },
            "windows": {
                "gamma": "memory", "window": "1 / (1 - gamma): all weight over that of the newest, in steps",
                "half_life": "log ½ / log gamma: steps after which a weight has halved",
                "claimed_half_life": "1 / gamma, the book's claim",
                "left_at_half_life": "weight after the half-life, as a share of the first: ½",
                "left_at_claim": "the same after the claimed half-life: gamma^(1/gamma)",
                "inside_window": "share of all weight within the window",
            },
        },
        {"steps": "ages shown", "largest_error": "largest |weight - theory|", "optimizer": OPTIMIZER},
    ),
    "stall": ExhibitSchema(
        "Why does Adagrad stall, and RMSProp not?",
        {
            "trajectories": {
                "run": "name of the run, as rmsprop 0.4", "optimizer": OPTIMIZER, "lr": "learning rate",
                "step": "updates made", **POINT, "loss": "loss there",
            },
            "states": {
                "run": "as in trajectories", "optimizer": OPTIMIZER, "lr": "learning rate",
                "step": "step t, from 1", "coordinate": "1 | 2", "gradient": "its gradient at step t",
                "s": "what stands under the root: sum, mean or leaky average of squared gradients",
                "effective_step": "what the gradient is multiplied by: lr / √(s + eps)",
            },
            "noise": {
                "run": "as in trajectories", "optimizer": OPTIMIZER, "lr": "learning rate",
                "step": "step t, from 1", "coordinate": "1 | 2",
                "s": "as in states, under gradient noise: mean over seeds",
                "effective_step": "as in states: mean over seeds", "loss": "clean loss after step t: mean over seeds",
            },
            "cycles": {
                "optimizer": OPTIMIZER, "lr": "learning rate", "gamma": "memory",
                "x1": "|x1| at the end", "x2": "|x2| at the end", "loss": "loss at the end",
                "x1_theory": "radius of the two-cycle in theory", "x2_theory": "radius in theory",
                "loss_theory": "loss in theory", "cycling": "whether the last two steps end where they began",
                "steps": "updates made",
            },
            "surface": {**POINT, "loss": "loss on a grid of the plane, for contours"},
        },
        {
            "lr": "the book's lr, 0.4", "gamma": "the book's gamma, 0.9", "eps": "the book's eps",
            "steps": "length of the long runs", "book_steps": "the book's number of steps, 20",
            "losses": "{run: {step: loss}} at steps 20, 100, 400 and the last",
            "limit_loss": "loss of rmsprop at the end", "limit_loss_theory": "loss of the two-cycle in theory",
            "largest_error": "largest relative |loss - loss_theory| over `cycles`",
            "sum_growth": "Adagrad's s of the last step over that of step 20, larger of the two coordinates",
            "noisy_sum_slope": "growth a step of Adagrad's s under noise of variance 1, over the last half of the run",
            "noisy_problem": "registered name", "seeds": "seeds under noise",
        },
    ),
    "variants": ExhibitSchema(
        "From scratch against concise: why are the book's two RMSProp runs not the same algorithm?",
        {
            "differences": {
                "order": "place in the list, from 0; 0 is the book's own code",
                "mode": "alone (this difference only) | together (this and all before)",
                "name": "scratch | eps | loss | epochs | bias", "title": "what is changed, in words",
                "optimizer": OPTIMIZER, "lr": "learning rate", "gamma": "memory", "eps": "eps",
                "gradient_factor": "1, or 2 where the loss has no ½", "steps": "updates made", **SPREAD,
                "shift": "mean difference to the book's own code, seed by seed",
                "shift_low": "low end of its 90% bootstrap interval", "shift_high": "high end",
            },
            "runs": {
                "mode": "as above", "name": "as above", "seed": "seed", "loss": "½ mean squared error at the end",
                "start_loss": "the same at step 0",
            },
            "curves": {"name": "scratch | bias (all differences together)", "step": "updates made", **SPREAD},
        },
        {
            "floor": "lowest loss", "seeds": "number of seeds", "data": "surrogate | file",
            "largest": "name of the difference that alone shifts the mean most",
            "printed": "the book's two numbers: {scratch, concise}, newest edition",
        },
    ),
    "gamma-one": ExhibitSchema(
        "Exercise 1: what happens at gamma = 1, and why?",
        {
            "outcomes": {
                "optimizer": OPTIMIZER, "title": "the variant, in words", "lr": "learning rate", "gamma": "memory",
                "steps": "updates asked for", "status": STATUS, "stopped_at": "updates made while the loss was valid",
                **POINT, "loss": "loss at the end", "theory": "what it should be, in words",
                "theory_status": STATUS, "theory_stopped_at": "as stopped_at", "theory_x1": "first parameter in theory",
                "theory_x2": "second", "theory_loss": "loss in theory",
                "error": "largest relative difference of the two paths while both are valid",
                "agrees": "whether that is rounding only",
            },
            "trajectories": {
                "optimizer": OPTIMIZER, "lr": "learning rate", "gamma": "memory", "source": "measured | theory",
                "step": "updates made", **POINT, "loss": "loss there",
            },
            "approach": {
                "optimizer": OPTIMIZER, "lr": "learning rate", "gamma": "memory", "forgotten": "1 - gamma",
                "steps": "20 | 1000", "status": STATUS, "loss": "loss then",
                "first_step": "length of the first step in x1, over lr",
            },
        },
        {
            "lr": "the book's lr", "eps": "the chapter's eps",
            "gain": "1 / √eps: what lr is multiplied by at gamma = 1",
            "first_point": "[x1, x2] after one step of the book's run at gamma = 1", "first_loss": "loss there",
            "overflow_step": "step at which the book's run at gamma = 1 overflows: a squared gradient is too large",
            "equivalent_lr": "lr at which rmsprop with gamma = 1 is gradient descent with the book's lr",
            "equivalent": "[x1, x2] after 20 steps with it",
            "descent": "[x1, x2] of gradient descent with the book's lr",
        },
    ),
    "rotation": ExhibitSchema(
        "Exercise 2: where does a scale for each coordinate stop helping?",
        {
            "losses": {
                "optimizer": OPTIMIZER, "condition": "condition number", "angle": "rotation in degrees",
                "steps": "20 | 1000", "rule": "best (lr chosen at this angle) | fixed (lr chosen at angle 0)",
                "lr": "learning rate", "status": STATUS, "loss": "loss at the end",
                "share": "loss as a share of that at the start", "at_edge": "whether lr is at an end of its grid",
            },
            "rates": {
                "optimizer": OPTIMIZER, "condition": "condition number", "angle": "0 | 45", "steps": "20 | 1000",
                "lr": "learning rate", "loss": "loss at the end; NaN where diverged",
            },
            "book": {
                "optimizer": OPTIMIZER, "problem": "ellipse | ellipse-rotated", "lr": "learning rate",
                "steps": "20 | 1000", **POINT, "loss": "loss at the end",
            },
        },
        {
            "angles": "angles, degrees", "conditions": "condition numbers", "points": "learning rates tried",
            "low": "lowest lr tried", "high": "highest lr tried", "gamma": "memory of rmsprop",
            "worst_angle": "{optimizer that is not invariant: angle of its largest best loss, condition 20, 20 steps}",
            "rotation_cost": "{optimizer: decades between largest and smallest best loss over the angles, as before}; "
                             "null where one diverged",
            "helped_until": "{adaptive optimizer: {condition: largest angle up to which it ends, after 20 steps and at "
                            "the best lr, at a tenth of sgd's loss or below; null: not even at 0; 90: at every angle}}",
            "invariant": "names of the optimizers whose best loss is the same at every angle to rounding",
        },
    ),
    "real-problem": ExhibitSchema(
        "Exercise 3: how should the learning rate change on a real problem?",
        {
            "grid": {
                "schedule": "name of the schedule", "lr": "base learning rate", "seed": "tuning seed", "status": STATUS,
                "loss": "training loss at the end", "heldout_loss": "loss on held-out images",
                "heldout_accuracy": "share of held-out images that are told right",
            },
            "choices": {
                "schedule": "name of the schedule", "lr": "base lr of lowest mean training loss on the tuning seeds",
                "at_edge": "whether it is at an end of the grid", **SPREAD,
                "heldout_loss": "median over test seeds", "heldout_accuracy": "median over test seeds",
                "accuracy_low": "5% quantile", "accuracy_high": "95% quantile",
                "width": "decades between the lowest and highest lr of at most 1.5 times the lowest tuning loss",
            },
            "curves": {
                "schedule": "name of the schedule", "seed": "test seed", "step": "updates made",
                "lr": "learning rate of the step", "loss": "training loss", "heldout_loss": "as above",
                "heldout_accuracy": "as above",
            },
        },
        {
            "problem": "registered name", "images": "Fashion-MNIST | MNIST", "network": "in words", "dim": "parameters",
            "optimizer": OPTIMIZER, "gamma": "memory", "batch": "rows of a minibatch", "steps": "updates of a run",
            "epochs": "the same in passes over the data", "tuning_seeds": "list", "test_seeds": "list",
            "rates": "learning rates of the grid",
            "best": "schedule of lowest median training loss of which no test seed diverged; null where each did",
            "best_accuracy": "schedule of highest median accuracy, likewise",
        },
    ),
    "gamma-schedules": ExhibitSchema(
        "Exercise 4: should gamma change during a run?",
        {
            "sensitivity": {
                "problem": "registered name", "rule": "plain | corrected (bias-corrected, all else equal)",
                "lr": "learning rate", "gamma": "memory", **SPREAD, "gap": "mean minus the floor",
            },
            "shares": {
                "problem": "registered name", "lr": "learning rate; NaN: over several",
                "over": "one (lr) | all | sensible (lr whose best gap over gamma is within ten times the best of all)",
                "plain": "variance over gamma of log10 gap without correction", "corrected": "the same with it",
                "explained": "1 - corrected / plain: share of gamma's influence that is the missing correction",
                "explained_low": "low end of its 90% interval over resampled seeds", "explained_high": "high end",
                "plain_decades": "largest over smallest gap over gamma, in decades",
                "corrected_decades": "same, corrected",
            },
            "schedules": {
                "problem": "registered name", "schedule": "how gamma goes, as constant or one-minus-inverse",
                "title": "in words", "rule": "plain | corrected",
                "gamma": "chosen base gamma; NaN where it plays no part",
                "lr": "chosen learning rate", **SPREAD, "gap": "median minus the floor",
                "gap_low": "5% quantile of the gap", "gap_high": "95% quantile",
                "tried": "configurations tried on the tuning seeds",
            },
            "threshold": {
                "n": "components of the finite sum", "rule": "plain | corrected", "gamma": "memory",
                "steps": "updates made", "x": "median end point, from a start at 1; the minimum is at -2",
                "drift": "movement over the last half, per unit of summed lr: mean over seeds; its sign says where to",
                "drift_low": "5% quantile over seeds", "drift_high": "95% quantile",
                "found": "share of seeds that drift to the minimum", "seeds": "number of seeds",
            },
        },
        {
            "problems": "problems of `schedules`", "explained": "{problem: `explained` over all lr}",
            "explained_sensible": "the same over the sensible lr: whose best gap over gamma is within ten of the best",
            "best": "{problem: title of the way of lowest median of which no seed diverged}; null where each did",
            "thresholds": "{n: lowest gamma tried from which on the mean drift is to the minimum}; null where none is",
        },
    ),
}  # fmt: skip
"""Every exhibit of ours by name."""

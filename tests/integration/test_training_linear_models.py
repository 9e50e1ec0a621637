"""The engine, rules and linear models together: who wins where features are rare."""

import torch

from benchmarks.lanes import train
from optimizers.adagrad import Adagrad
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD
from problems.logistic import sparse_logistic


def test_adagrad_wins_on_sparse_features():
    problem = sparse_logistic()
    grid = torch.logspace(-1.5, 0.5, 5)
    rules = {"adagrad": Adagrad(), "sgd": SGD(), "rmsprop": RMSProp()}
    best = {
        name: train(problem, rule, {"lr": grid}, [0, 1], 200).final_loss.mean(-1).min().item()
        for name, rule in rules.items()
    }

    assert min(best, key=best.get) == "adagrad"

"""Suites: which problems, optimizers and schedules, with which budgets and seeds."""

from benchmarks.suite.suite import CellPlan, Suite, builtin_suites

__all__ = ["CellPlan", "Suite", "builtin_suites"]

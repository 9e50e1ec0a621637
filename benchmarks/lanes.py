"""The documented way to the engine."""

from benchmarks.engine.rule_lanes import train

__all__ = ["train"]

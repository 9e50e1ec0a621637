"""The documented way to run a suite from Python."""

from benchmarks.running.run_suite import CellRun, RunResult, run

__all__ = ["CellRun", "RunResult", "run"]

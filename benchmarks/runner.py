"""The documented way to run a suite from Python."""

from benchmarks.running.jobs import JobResult
from benchmarks.running.observer import RunObserver
from benchmarks.running.run_suite import SuiteResult, run

__all__ = ["JobResult", "RunObserver", "SuiteResult", "run"]

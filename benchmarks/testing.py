"""The documented way to the conformance kit, for the tests of problems and optimizers of one's own."""

from benchmarks.conformance.report import Finding, Report, check_name, check_optimizer, check_problem

__all__ = ["Finding", "Report", "check_name", "check_optimizer", "check_problem"]

"""The documented way to the conformance kit, for the tests of problems and optimizers of one's own, and to `parity`:
``assert parity("adamw", "mine:AdamW").agree``.
"""

from benchmarks.conformance.report import Finding, Report, check_name, check_optimizer, check_problem
from benchmarks.implementations.parity import Parity, parity

__all__ = ["Finding", "Parity", "Report", "check_name", "check_optimizer", "check_problem", "parity"]

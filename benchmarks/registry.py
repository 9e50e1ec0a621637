"""The documented way to the registries: names, and what makes an optimizer, a problem or a schedule of one."""

from benchmarks.naming.call_syntax import import_object, parse_call
from benchmarks.naming.plugins import load_plugin_file
from benchmarks.naming.registry import (
    OPTIMIZERS,
    PROBLEMS,
    Registry,
    make_optimizer,
    make_problem,
    make_schedules,
    register,
)

__all__ = [
    "OPTIMIZERS",
    "PROBLEMS",
    "Registry",
    "import_object",
    "load_plugin_file",
    "make_optimizer",
    "make_problem",
    "make_schedules",
    "parse_call",
    "register",
]

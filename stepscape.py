"""The front door under the suite's name: what `benchmarks` offers, loaded on first use; `help(benchmarks)` teaches it.

>>> import stepscape
>>> stepscape.OPTIMIZERS["rmsprop"].axes
('lr', 'gamma')
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from benchmarks import (
        OPTIMIZERS,
        PROBLEMS,
        Configurations,
        Suite,
        Training,
        make_optimizer,
        make_problem,
        merge,
        run,
        train,
    )

__all__ = [
    "OPTIMIZERS",
    "PROBLEMS",
    "Configurations",
    "Suite",
    "Training",
    "main",
    "make_optimizer",
    "make_problem",
    "merge",
    "run",
    "train",
]


def main() -> None:
    """The ``stepscape`` command."""
    try:
        from benchmarks.interrupts import with_interrupts
    except KeyboardInterrupt:
        sys.stderr.write("stepscape: interrupted\n")
        sys.exit(130)
    except ImportError as error:
        _fail_shadowed(error)
    with_interrupts(_command)


def _command() -> None:
    try:
        from benchmarks.cli.main import main as command
    except ImportError as error:
        _fail_shadowed(error)
    command()


def _fail_shadowed(error: ImportError) -> NoReturn:
    if error.name is not None:  # a package that is missing; one that is shadowed has no name
        raise error
    sys.stderr.write(f"stepscape: {error}\n")
    sys.exit(2)


def _check_benchmarks() -> None:
    """Raise ``ImportError`` where ``benchmarks`` is somebody else's; it looks for the other packages itself."""
    found = getattr(sys.modules.get("benchmarks"), "__spec__", None) or find_spec("benchmarks")
    if found is None or found.origin is None or Path(found.origin).resolve().parent.parent != Path(__file__).parent:
        where = "nothing" if found is None else found.origin or "a folder of that name"
        raise ImportError(f"{where} is imported as 'benchmarks' instead of a package of Stepscape; rename it")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'stepscape' has no attribute {name!r}")
    import benchmarks

    return getattr(benchmarks, name)


def __dir__() -> list[str]:
    return sorted(__all__)


_check_benchmarks()

if __name__ == "__main__":
    main()

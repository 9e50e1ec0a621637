"""A file of the user's that is imported in place of a package of ours, named before anything breaks on it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["ShadowedError", "check_packages"]

OURS = ("optimizers", "problems", "analysis")


class ShadowedError(ImportError):
    """Another module has the name of a package of ours; the message names its file."""


def check_packages() -> None:
    """Raise `ShadowedError` where ``optimizers``, ``problems`` or ``analysis`` is not the one beside this package.

    Nothing is imported to find out.
    """
    house = Path(__file__).resolve().parent.parent
    for name in OURS:
        found = getattr(sys.modules.get(name), "__spec__", None) or find_spec(name)
        if found is not None and found.origin is not None and Path(found.origin).resolve().parent.parent != house:
            raise ShadowedError(
                f"{found.origin} is imported in place of Stepscape's package {name!r}: its folder comes first on the "
                "path; rename it"
            )

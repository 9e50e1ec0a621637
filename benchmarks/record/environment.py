"""Which versions, which machine, which commit and which day a record comes from."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["commit_of", "environment", "version_of"]


def environment() -> dict[str, Any]:
    """Versions, machine and the day of the first run, of UTC, for whoever reads the record later."""
    packages = ["stepscape", "torch", "numpy", "scipy", "scikit-learn", "optuna", "cmaes", "mlflow", "pandas"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "git_commit": commit_of(Path(__file__)),
        "packages": {name: version_of(name) for name in packages},
    }


def commit_of(file: Path) -> str | None:
    """The git commit of ``file``, with "-dirty" behind it where the checkout differs; None where it is in none.

    The file itself must be tracked: a copy installed inside another project does not have that project's commit.
    """
    git = ["git", "-C", str(file.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", file.name], check=True, capture_output=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def version_of(package: str) -> str | None:
    """The version of an installed ``package``; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None

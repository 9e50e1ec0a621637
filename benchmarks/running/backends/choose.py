"""The backend that a user asks for by its name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from benchmarks.errors import UsageError
from benchmarks.running.backends.backend import Backend
from benchmarks.running.backends.local import Local

__all__ = ["BACKENDS", "BackendName", "backend_of"]

BackendName = Literal["local", "dask", "ray"]
BACKENDS: Final[tuple[BackendName, ...]] = ("local", "dask", "ray")

NEEDS: Final = {"dask": "distributed", "ray": "ray"}
"""The package that a backend is made of, which comes with the extra of its name."""

FILES: Final = ("sqlite", "journal")
"""Storages that are files of one machine."""


def backend_of(
    name: str, address: str | None, jobs: int | None, data: Path | None = None, storage: str | None = None
) -> Backend:
    """The backend called ``name`` for up to ``jobs`` jobs at once, its workers those of the cluster at ``address``.

    Without an address they are processes of this machine, ``jobs`` of them, one where that is None; nothing is started
    yet. ``data`` is the user's data folder, ``storage`` the address of a database that the workers reach.

    Raises `UsageError` for an unknown name, a package that is not installed, an address where there can be none, and
    a storage that workers elsewhere cannot reach.
    """
    if name not in BACKENDS:
        raise UsageError(f"a backend is one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "local":
        if address is not None:
            raise UsageError(f"--address {address} is that of a cluster: say --backend dask or --backend ray with it")
        return Local(jobs or 1)
    if find_spec(NEEDS[name]) is None:
        raise UsageError(
            f"--backend {name} needs {NEEDS[name]}, which is not installed: pip install 'stepscape[{name}]'"
        )
    kind = (storage or "").partition(":")[0].partition("+")[0]
    if address is not None and kind in FILES:
        raise UsageError(
            f"--storage {storage} is a file of this machine, which workers at {address} do not see: give the address "
            "of a server, as postgresql://…, or none"
        )
    jobs = (jobs or 1) if address is None else jobs
    if name == "dask":
        from benchmarks.running.backends.dask import Dask

        return Dask(jobs, address, data)
    from benchmarks.running.backends.ray import Ray

    return Ray(jobs, address, data)

"""Optuna storages: opened, checked and closed, with what fails there as one sentence."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.errors import StepscapeError, UsageError, without_password
from benchmarks.suite.settings import Tuning

if TYPE_CHECKING:
    import optuna


__all__ = ["PATIENCE", "check_storage", "close_storage", "open_storage"]

PATIENCE = 5  # tries to open a database that another process is setting up


def check_storage(url: str, tunings: Iterable[Tuning]) -> None:
    """Raise what `open_storage` raises, and `UsageError` where one of the studies cannot be shared."""
    if any(tuning.enabled and tuning.sampler == "grid" for tuning in tunings):
        raise UsageError("a grid needs no storage to share: every process would train the same points")
    close_storage(open_storage(url))


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """The storage at ``url``; raises `UsageError` for a malformed URL, `StepscapeError` where it does not open."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # not a line a study
    scheme, separator, path = url.partition("://")
    if not separator:
        raise UsageError(f"a storage is a URL, as sqlite:///studies.db or journal:///studies.log, got {url!r}")
    try:
        if scheme == "journal":
            return optuna.storages.JournalStorage(JournalFileBackend(path.removeprefix("/")))
        return _database(url)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise StepscapeError(f"the storage {without_password(url)} cannot be opened: {reason}") from error


def _database(url: str) -> optuna.storages.RDBStorage:
    """The database storage; where another process makes its tables at this moment, a little later."""
    import optuna
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(PATIENCE):
        try:
            return optuna.storages.RDBStorage(url)
        except (IntegrityError, ProgrammingError):  # a table or type that was not there a moment ago
            time.sleep(0.5)
    return optuna.storages.RDBStorage(url)


def close_storage(storage: optuna.storages.BaseStorage) -> None:
    """Close the connections of a database storage; the study's objects are not to be used after that."""
    import optuna

    if isinstance(storage, optuna.storages.RDBStorage):
        storage.remove_session()
        storage.engine.dispose()

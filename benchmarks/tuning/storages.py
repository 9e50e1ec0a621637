"""Optuna storages: opened, checked and closed, with what fails there as one sentence."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.errors import StepscapeError, UsageError
from benchmarks.suite.settings import Tuning

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Connection


__all__ = ["PATIENCE", "check_storage", "close_storage", "open_storage", "signed"]

PATIENCE = 5  # tries to open a database that another process is setting up
LOCKED: Final = 60  # seconds to wait for an SQLite file that other processes write; one write takes milliseconds


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
        raise StepscapeError(f"the storage {url} cannot be opened: {reason}") from error


def _database(url: str) -> optuna.storages.RDBStorage:
    """The database storage; where another process makes its tables at this moment, a little later."""
    import optuna
    import sqlalchemy
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    local = sqlalchemy.make_url(url).get_backend_name() == "sqlite"
    options = {"connect_args": {"timeout": LOCKED}} if local else None
    for attempt in range(1, PATIENCE + 1):
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
            break
        except (IntegrityError, ProgrammingError, OperationalError) as error:  # a table was not there a moment ago
            if attempt == PATIENCE or (isinstance(error, OperationalError) and "already exists" not in str(error)):
                raise
            time.sleep(0.5)
    if local:
        _lock_whole_transactions(storage)
    return storage


def _lock_whole_transactions(storage: optuna.storages.RDBStorage) -> None:
    """Let an SQLite file be locked from the beginning of each transaction, not from its first write.

    Optuna reads a trial's state for update before it changes it; SQLite knows no such reading, and two processes would
    both find the trial free.
    """
    from sqlalchemy import event

    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # else sqlite3 begins transactions itself, as late as it can

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.remove_session()
    storage.engine.dispose()
    event.listen(storage.engine, "connect", connected)
    event.listen(storage.engine, "begin", begun)


class _Signed:
    """A storage that makes every new trial with the attributes it was given, in the one transaction that makes it."""

    def __init__(self, storage: optuna.storages.BaseStorage, attributes: Mapping[str, str]) -> None:
        self._storage, self._attributes = storage, dict(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def create_new_trial(self, study_id: int, template_trial: optuna.trial.FrozenTrial | None = None) -> int:
        from optuna.trial import TrialState, create_trial

        if template_trial is None:  # Optuna asks for a new trial
            template_trial = create_trial(state=TrialState.RUNNING, user_attrs=self._attributes)
        return self._storage.create_new_trial(study_id, template_trial)


def signed(storage: optuna.storages.BaseStorage, attributes: Mapping[str, str]) -> optuna.storages.BaseStorage:
    """``storage``, in which each trial has the user attributes ``attributes`` from the moment it is there: a process
    killed while it asks leaves none whose asker is not known.
    """
    import optuna

    return cast("optuna.storages.BaseStorage", _Signed(optuna.storages.get_storage(storage), attributes))


def close_storage(storage: optuna.storages.BaseStorage) -> None:
    """Close the connections of a database storage; the study's objects are not to be used after that."""
    import optuna

    if isinstance(storage, optuna.storages.RDBStorage):
        storage.remove_session()
        storage.engine.dispose()

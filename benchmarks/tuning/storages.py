"""Optuna storages: opened, checked and closed, with what fails there as one sentence."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.errors import StepscapeError, UsageError
from benchmarks.suite.settings import Tuning

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Connection


__all__ = [
    "PATIENCE",
    "check_storage",
    "close_storage",
    "open_storage",
    "patience",
    "reach_storage",
    "signed",
    "storage_failure",
]

PATIENCE = 5  # tries to open a database that another process is setting up
LOCKED: Final = 60  # seconds to wait for an SQLite file that other processes write; one write takes milliseconds
DRIVERS: Final = ("psycopg", "psycopg2", "pymysql", "mysqldb")  # those of databases that know `connect_timeout`
SILENCE: Final = 5  # seconds to wait for an answer from a server that is asked for the first time


def check_storage(url: str, tunings: Iterable[Tuning]) -> None:
    """Raise what `open_storage` raises, and `UsageError` where one of the studies cannot be shared."""
    _check_shared(tunings)
    close_storage(open_storage(url))


def reach_storage(url: str, tunings: Iterable[Tuning]) -> None:
    """Raise what `check_storage` raises, of a file but for its address; nothing is made there, no file and no table."""
    _check_shared(tunings)
    scheme = url.partition("://")[0]
    if scheme == "grpc":
        close_storage(open_storage(url))
    elif "://" not in url:
        open_storage(url)  # which says what is wrong
    elif scheme != "journal":
        with _opening(url):
            _reach_database(url)


def _reach_database(url: str) -> None:
    """Connect to the database at ``url`` where it is no file."""
    import sqlalchemy

    if sqlalchemy.make_url(url).get_backend_name() != "sqlite":
        engine = sqlalchemy.create_engine(url, connect_args=patience(url))
        with engine.connect():
            pass
        engine.dispose()


def _check_shared(tunings: Iterable[Tuning]) -> None:
    if any(tuning.enabled and tuning.sampler == "grid" for tuning in tunings):
        raise UsageError("a grid needs no storage to share: every process would train the same points")


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """The storage at ``url``; raises `UsageError` for a malformed URL, `StepscapeError` where it does not open."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # not a line a study
    scheme, separator, path = url.partition("://")
    if not separator:
        raise UsageError(f"a storage is a URL, as sqlite:///studies.db or journal:///studies.log, got {url!r}")
    with _opening(url):
        if scheme == "journal":
            return optuna.storages.JournalStorage(JournalFileBackend(path.removeprefix("/")))
        return _proxy(url) if scheme == "grpc" else _database(url)


@contextmanager
def _opening(url: str) -> Iterator[None]:
    """Make one sentence of whatever stops the storage at ``url`` from being opened."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise StepscapeError(f"the storage {url} cannot be opened: {reason}") from error


def storage_failure(error: BaseException) -> str | None:
    """One sentence on a storage that failed while it was used, as a database that stopped; None for other errors."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    if "grpc" in sys.modules and isinstance(error, sys.modules["grpc"].RpcError):
        said = str(getattr(error, "details", str)() or error).strip().partition("\n")[0]
        reason = f"a call of its proxy ended ({said})"
    elif isinstance(error, SQLAlchemyError | StorageInternalError):
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause)
    else:
        return None
    reason = reason.strip().partition("\n")[0]
    return f"the Optuna storage failed: {reason}; what was told is kept there, and the same command goes on from it"


def _database(url: str) -> optuna.storages.RDBStorage:
    """The database storage; where another process makes its tables at this moment, a little later."""
    import optuna
    import sqlalchemy
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    local = sqlalchemy.make_url(url).get_backend_name() == "sqlite"
    options = {"connect_args": patience(url)}
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


def patience(url: str) -> dict[str, int]:
    """What a database's driver is told at ``url``, in seconds: how long to wait for a locked file, or for a machine
    that may not be there, which by itself takes minutes.
    """
    import sqlalchemy

    address = sqlalchemy.make_url(url)
    if address.get_backend_name() == "sqlite":
        return {"timeout": LOCKED}
    asked = address.get_driver_name() in DRIVERS and "connect_timeout" not in address.query
    return {"connect_timeout": SILENCE} if asked else {}


def _proxy(url: str) -> optuna.storages.GrpcStorageProxy:
    """The storage behind Optuna's gRPC proxy server at ``url``."""
    import optuna
    from optuna.exceptions import ExperimentalWarning

    host, port = _host_and_port(url)
    if find_spec("grpc") is None:
        raise UsageError(f"{url} needs the package grpcio: pip install 'stepscape[grpc]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=port)
    try:
        proxy.wait_server_ready(timeout=SILENCE)
    except ConnectionError as error:
        proxy.close()
        raise ConnectionError(
            f"no proxy server answered within {SILENCE} seconds; is it running, and can this machine reach it?"
        ) from error
    return proxy


def _host_and_port(url: str) -> tuple[str, int]:
    """The host and the port of a proxy's address; raises `UsageError` where it names none, or anything more."""
    host, _, port = url.removeprefix("grpc://").removesuffix("/").rpartition(":")
    if not re.fullmatch(r"[\w.-]+|\[[0-9a-fA-F:.]+\]", host) or not re.fullmatch(r"[0-9]{1,5}", port):
        raise UsageError(
            f"the address of a storage's proxy is grpc://HOST:PORT, as grpc://localhost:13000, got {url!r}"
        )
    return host, int(port)


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
    """Close the connections of a storage; the study's objects are not to be used after that."""
    import optuna

    if isinstance(storage, optuna.storages.RDBStorage):
        storage.remove_session()
        storage.engine.dispose()
    elif isinstance(storage, optuna.storages.GrpcStorageProxy):
        storage.close()

"""MLflow's store of a record: where it is, how it is opened, and whatever fails there as one sentence."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from benchmarks.errors import TrackingError, UsageError
from benchmarks.record.folder import RecordFolder, landing, remove
from benchmarks.tuning.storages import patience

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "ARTIFACTS",
    "check_uri",
    "connect",
    "default_uri",
    "file_of",
    "make_store",
    "moved",
    "quiet",
    "remove_store",
    "reported",
    "told",
]

ARTIFACTS: Final = "mlartifacts"
SETTINGS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""MLflow's own environment variables; what the user has set goes first. MLflow's retries take 8 minutes by default."""
DATABASES: Final = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS: Final = ("http", "https")
NOISY: Final = ("mlflow", "alembic", "sqlalchemy", "urllib3")


@contextmanager
def quiet() -> Iterator[None]:
    """Set MLflow up as we use it, and keep its logs and those of its libraries quiet."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401 - its import sets the levels of the loggers below

    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def told(uri: str, advice: str = "") -> Iterator[None]:
    """Turn whatever MLflow, its database or the network raise into one `TrackingError`."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        raise TrackingError(f"MLflow at {uri} failed: {_reason(error)}{advice}") from error


@contextmanager
def reported(uri: str, advice: str = "") -> Iterator[None]:
    """`told` and `quiet`, around calls of MLflow's own."""
    with quiet(), told(uri, advice):
        yield


def default_uri(folder: Path) -> str:
    """The URI of the SQLite store inside the results folder ``folder``."""
    return _sqlite_uri(RecordFolder(folder.resolve()).mlflow_store)


def _sqlite_uri(file: Path) -> str:
    """The URI of the SQLite store ``file``, with signs quoted that URIs give a meaning, as ? and %.

    SQLAlchemy reads those back; MLflow makes a folder of the name as it is written, where no driver is named.
    """
    quoted = "".join(quote(sign) if sign in "?%" else sign for sign in str(file))
    return f"sqlite:///{file}" if quoted == str(file) else f"sqlite+pysqlite:///{quoted}"


def check_uri(uri: str, *, existing: bool = False) -> None:
    """Raise `UsageError` where ``uri`` names no kind of store that MLflow knows or, if ``existing``, no file there is.

    A server or a database that cannot be reached is found out on first use.
    """
    scheme = _scheme(uri)
    if scheme in ("", "file"):
        raise UsageError(f"{uri!r} is no MLflow store: MLflow keeps none in plain folders; try sqlite:///mlflow.db")
    if scheme not in DATABASES + SERVERS:  # a plug-in of MLflow may know it
        try:
            with reported(uri):
                connect(uri)
        except TrackingError as error:
            known = ", ".join(DATABASES + SERVERS)
            raise UsageError(f"MLflow knows no store like {uri!r}; it knows {known}") from error
    if existing and (file := file_of(uri)) and not file.exists():
        raise UsageError(f"there is no MLflow store at {file}")


def _scheme(uri: str) -> str:
    """The kind of a store, without the driver: "postgresql" of postgresql+psycopg://…"""
    try:
        return urlsplit(uri).scheme.partition("+")[0]
    except ValueError as error:
        raise UsageError(f"{uri!r} is no address of an MLflow store: {error}") from error


def file_of(uri: str) -> Path | None:
    """The file of an SQLite store; None where ``uri`` is of another kind."""
    if _scheme(uri) != "sqlite":
        return None
    import sqlalchemy

    name = sqlalchemy.make_url(uri).database
    return Path(name) if name else None


def moved(folder: Path) -> str:
    """What to tell a user whose store was made for a folder of another name."""
    return (
        f"{folder} was moved since its MLflow store was made, and MLflow keeps absolute paths; "
        f"`stepscape ui {folder} --rebuild` makes it anew from the record in seconds (or remove mlflow.db and "
        f"{ARTIFACTS} there and run the suite again)"
    )


def remove_store(folder: Path) -> None:
    """Remove the store inside the results folder ``folder``, with its artifacts; the record stays."""
    file = RecordFolder(folder).mlflow_store
    for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm")), folder / ARTIFACTS):
        remove(path)


def connect(uri: str) -> MlflowClient:
    """A client of the store at ``uri``; call it within `reported`.

    A database is opened once by ourselves, for MLflow would try a dead one for 100 seconds.
    """
    from mlflow import MlflowClient

    if _scheme(uri) in DATABASES:
        import sqlalchemy

        if (file := file_of(uri)) and not file.exists():
            make_store(file)
        engine = sqlalchemy.create_engine(uri, connect_args=patience(uri))
        engine.connect().close()
        engine.dispose()
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def make_store(path: Path) -> None:
    """Make a new SQLite store, whole or not at all: with one whose making was killed MLflow never goes on.

    MLflow takes two seconds and more to migrate an empty one through all of its past, so that what it made is kept in
    the user's cache folder, for each of its versions, and copied.
    """
    from problems.download import cache_folder

    kept = cache_folder() / f"mlflow-{version('mlflow')}.db"
    with landing(path) as working:  # beside it, where what a killed process leaves is found
        if not _copy(kept, working):
            _migrate(path, working)
            with suppress(OSError):  # a cache that cannot be written costs the next store its time
                kept.parent.mkdir(parents=True, exist_ok=True)
                with landing(kept) as copy:
                    shutil.copyfile(working, copy)
        now, artifacts = int(time.time() * 1000), Path("mlruns", "0").absolute()
        with closing(sqlite3.connect(working)) as connection, connection:
            connection.execute(
                "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ?",
                (str(artifacts), now, now),  # of MLflow's "Default", which would name the folder of another day
            )


def _copy(kept: Path, working: Path) -> bool:
    """Whether the empty store ``kept`` could be copied: it is there, whole and of this MLflow."""
    try:
        shutil.copyfile(kept, working)
        with closing(sqlite3.connect(working)) as connection:
            whole = connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            names = connection.execute("SELECT name FROM experiments").fetchall()
            return whole and names == [("Default",)] and not connection.execute("SELECT 1 FROM runs").fetchall()
    except (OSError, sqlite3.Error):
        return False
    finally:
        for leftover in working.parent.glob(f"{working.name}-*"):
            remove(leftover)


@quiet()
def _migrate(path: Path, working: Path) -> None:
    """Have MLflow make a store, which becomes ``working``, in a folder beside ``path``."""
    from mlflow import MlflowClient

    remove(working)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        made = Path(scratch) / "mlflow.db"
        uri = _sqlite_uri(made)
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments()
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("VACUUM INTO ?", (str(working),))
    with closing(sqlite3.connect(working)) as connection:
        # half the time a cell (measured 1.9 s to 1.0 s on a busy disk), and the UI reads meanwhile
        connection.execute("PRAGMA journal_mode=WAL")


def _reason(error: Exception) -> str:
    """The first line of the error, or the message of the system error that caused it."""
    text = str(error).strip()
    system = re.search(r"\[Errno -?\d+\] ([\w ]+)", text)
    return system[1] if system else text.partition("\n")[0] or type(error).__name__

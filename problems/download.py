"""Files from the network: fetched once, checked, kept in a cache folder, and resumed where a download broke off."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from problems.problem import DataError

__all__ = ["DownloadError", "cache_folder", "fetch"]

TIMEOUT = 30  # seconds without a byte
LIMIT = 256 * 2**20  # bytes of a file: more than the largest one here, and a server that never ends fills no disk


class DownloadError(DataError):
    """A file could not be downloaded, or is not the one expected."""


def cache_folder() -> Path:
    """Where downloads are kept: ``STEPSCAPE_CACHE``, else ``stepscape`` in the user's cache folder."""
    if named := os.environ.get("STEPSCAPE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stepscape"


def fetch(name: str, md5: str, base_url: str, folder: Path) -> Path:
    """The path of file ``name`` in ``folder``, downloaded from ``base_url`` unless it is there already.

    The bytes arrive in ``name.part``, which a later call continues; only a file with the right ``md5`` takes its name,
    in one rename, and one of more than `LIMIT` bytes is given up. Processes that want files of one folder wait for
    each other. Raises `DownloadError` where there is no network, no such file, no room, or another file there.
    """
    path, url = folder / name, f"{base_url.rstrip('/')}/{name}"
    by_hand = (
        f"download {url} on another machine and put it at {path}, or set STEPSCAPE_CACHE to a folder that holds it"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            if not (path.is_file() and _md5(path) == md5):
                _download(url, path, md5)
    except (OSError, EOFError, HTTPException) as error:  # URLError, timeouts and a full disk are OSErrors
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DownloadError(f"cannot download {url} ({reason}); try again, or {by_hand}") from error
    except ValueError as error:
        raise DownloadError(f"{url} {error}; {by_hand}") from error
    return path


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Holds an advisory lock on the folder itself, where the system has them: no stray file, and freed by any exit."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _download(url: str, path: Path, md5: str) -> None:
    """Raises ``ValueError`` for a file with another checksum, which is thrown away."""
    part = path.with_name(f"{path.name}.part")
    _receive(url, part)
    if (found := _md5(part)) != md5:
        part.unlink()
        raise ValueError(f"is not the file expected (md5 {found}, not {md5})")
    part.replace(path)


def _receive(url: str, part: Path) -> None:
    """Append to ``part`` what is missing of the file at ``url``; start over where the server knows no ranges.

    Raises ``EOFError`` where the connection ends early, and keeps what came; ``ValueError`` for a file that is larger
    than `LIMIT`, of which nothing is kept.
    """
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
        return  # all of it is here; the checksum decides
    with response, part.open("ab" if response.status == HTTPStatus.PARTIAL_CONTENT else "wb") as file:
        before, expected = file.tell(), response.headers.get("Content-Length")
        too_large = before + int(expected or 0) > LIMIT
        while not too_large and (chunk := response.read(2**20)):
            file.write(chunk)
            too_large = file.tell() > LIMIT
        if too_large:
            part.unlink()
            raise ValueError(f"is larger than {LIMIT // 2**20} MiB, which no file here is")
        if expected is not None and file.tell() - before < int(expected):
            raise EOFError(f"{file.tell() - before} of {expected} bytes came")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

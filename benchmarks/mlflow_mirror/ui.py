"""Serves MLflow's own web interface on a results folder's store, to this machine only, while the command runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from benchmarks.errors import TrackingError, UsageError
from benchmarks.mlflow_mirror.overview import draw_overviews
from benchmarks.mlflow_mirror.store import ARTIFACTS, default_uri, moved
from benchmarks.mlflow_mirror.views import FIRST

__all__ = ["check_port", "serve", "serving", "view_url"]

HOST: Final = "127.0.0.1"
STARTUP: Final = 120.0  # seconds; measured 7 to 12 on two idle cores
GRACE: Final = 1.0  # seconds that the server has to end by itself
ENVIRONMENT: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes and two gigabytes that no page here needs
}
HINT: Final = (
    "If MLflow shows its GenAI pages, choose *Model training* at the top left, once, and close its Assistant: "
    "it remembers both."
)
PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
OPENER: Final = build_opener(ProxyHandler({}))  # a proxy from the environment cannot know this machine's loopback


def serve(folder: Path, *, port: int = 5000, open_browser: bool = False, say: Callable[[str], None]) -> None:
    """Serve the store of the results folder ``folder`` until Ctrl-C; ``say`` is told what to tell the user.

    Raises `UsageError` where ``folder`` has no store or ``port`` is taken, and `TrackingError` where the server fails.
    """
    terminated = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(folder, port, on_start=lambda: say("MLflow's server is starting ...")) as (url, server):
            say(f"{url}\n{HINT}\nCtrl-C stops it.")
            if open_browser:
                webbrowser.open(url)
            server.wait()
            raise TrackingError(f"MLflow's server ended by itself with exit code {server.returncode}")
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, terminated)


@contextmanager
def serving(
    folder: Path, port: int, on_start: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the server within a ``with`` block and give the address of its most useful page, and its process.

    ``on_start`` is called once nothing speaks against starting, which takes some seconds; the pictures of cells that
    nobody looked at yet are drawn from then on. Raises as `serve` does.
    The server ends with the block and, on Linux, with this process however that ends.
    """
    _check_store(folder)
    suite = _suite_name(folder)
    check_port(port)
    on_start()
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            _command(folder, port),
            env={**os.environ, **ENVIRONMENT},
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to handle, and the whole group is ours to end
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
        )
        threading.Thread(target=draw_overviews, args=(folder / ARTIFACTS,), daemon=True).start()
        try:
            _wait_until_up(server, port, log)
            yield view_url(port, _experiment_id(folder, suite, port)), server
        finally:
            _stop(server)


def view_url(port: int, experiment: str) -> str:
    """The address of the table of cells of ``experiment``, an id, in the view that the mirror saved as `FIRST`."""
    # without the type of workflow, MLflow opens its page for language models
    return (
        f"http://{HOST}:{port}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={FIRST}"
    )


def _check_store(folder: Path) -> None:
    if not (folder / "suite.toml").is_file():
        raise UsageError(f"{folder} is not a results folder: it has no suite.toml")
    if not (folder / "mlflow.db").is_file():
        raise UsageError(
            f"{folder} has no MLflow store (mlflow.db); run its suite again to mirror it, "
            f"have `stepscape ui {folder} --rebuild` make one of the record, or open the UI of the server its runs "
            "were sent to"
        )


def check_port(port: int) -> None:
    """Raise `UsageError` where ``port`` of this machine cannot be listened to."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = (
                "is taken by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used: {error.strerror}"
            )
            raise UsageError(
                f"port {port} {reason}; choose another, as --port {port + 1 if port < 65535 else 5001}"
            ) from error


def _command(folder: Path, port: int) -> list[str]:
    artifacts = str(folder.resolve() / ARTIFACTS)
    options = {
        "--backend-store-uri": default_uri(folder),
        "--default-artifact-root": artifacts,
        "--artifacts-destination": artifacts,
        "--host": HOST,
        "--port": str(port),
        "--workers": "1",
    }
    return [sys.executable, "-m", "mlflow", "server", *(text for option in options.items() for text in option)]


def _end_with_parent() -> None:
    """Ask Linux, in the child before it becomes the server, for SIGTERM when the parent dies."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_up(server: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    give_up = time.monotonic() + STARTUP
    while server.poll() is None and time.monotonic() < give_up:
        try:
            OPENER.open(f"http://{HOST}:{port}/health", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    log.seek(0)
    last = log.read().decode(errors="replace").strip().rpartition("\n")[2]
    raise TrackingError(f"MLflow's server did not start: {last or f'no answer within {STARTUP:.0f} s'}")


def _suite_name(folder: Path) -> str:
    """The name of the record's suite, which is that of its experiment."""
    try:
        return str(tomllib.loads((folder / "suite.toml").read_text(encoding="utf-8"))["name"])
    except (ValueError, KeyError, RecursionError) as error:
        raise UsageError(f"{folder} is damaged: its suite.toml is no suite's") from error


def _experiment_id(folder: Path, suite: str, port: int) -> str:
    """The id of the suite's experiment; raise where the store has none, or keeps its artifacts elsewhere."""
    query = f"http://{HOST}:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(suite)}"
    try:
        with OPENER.open(query, timeout=30) as answer:
            found = json.load(answer)["experiment"]
    except HTTPError as error:
        error.close()
        raise UsageError(f"{folder / 'mlflow.db'} has no runs of suite {suite!r} yet; run the suite again") from error
    if found["artifact_location"] != (folder.resolve() / ARTIFACTS).as_uri():
        raise UsageError(moved(folder))
    return str(found["experiment_id"])


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and whatever it started: left to itself it waits for its workers, and they for open pages."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)  # SQLite takes back what was being written
    server.wait()

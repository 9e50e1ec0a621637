"""No password is shown or written: not by any command, any real error of MLflow, SQLAlchemy or Optuna, any file."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.cli.main import main
from benchmarks.errors import StepscapeError
from benchmarks.mlflow_mirror.ui import view_url
from benchmarks.record.folder import RecordFolder
from benchmarks.redaction import redacted
from benchmarks.suite.suite import Suite


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql+psycopg://me:s3cr/e@t@host:5432/db?sslmode=off", "at postgresql+psycopg://me:***@host:5432/db?sslmode=off"),
        ("http://s3cret@host/", "http://***@host/"),
        ("got 'me:s3cret@host/db'", "got 'me:***@host/db'"),
        ("sqlite:///x.db?password=s3cret&mode=ro", "sqlite:///x.db?password=***&mode=ro"),
        ("https://host/?X-Amz-Signature=s3cret", "https://host/?X-Amz-Signature=***"),
        ("https://host/?a=1&api_key=s3cret", "https://host/?a=1&api_key=***"),
        ("?odbc_connect=UID%3Dme%3BPWD%3Ds3cret%3BX%3D1", "?odbc_connect=UID%3Dme%3BPWD%3D***%3BX%3D1"),
        ("host=h user=me password=s3cret port=1", "host=h user=me password=*** port=1"),
        ("{'user': 'me', 'password': 's3cret'}", "{'user': 'me', 'password': '***'}"),
        ("{'Authorization': 'Bearer s3cret'}", "{'Authorization': 'Bearer ***'}"),
        ("a token ghp_0123456789abcdef0123456789abcdef", "a token ***"),
    ],
)  # fmt: skip
def test_passwords_queries_headers_and_tokens_are_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "'x(' is not of the form name(key=value, …): parameters are written key=value",
        "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=cells",
        "sqlite:////tmp/a b/mlflow.db, journal:///studies.log and postgresql://bench@127.0.0.1/db",
        "package.module:OBJECT of arXiv:1412.6980, mail to me@host",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text).replace("***", "cells") == text


def test_the_address_of_a_view_that_ui_prints_can_be_opened() -> None:
    page = view_url(5000, "1")
    assert redacted(page) == page
    assert redacted(f"{page}&shareKey=s3cret") == f"{page}&shareKey=***"


def test_what_the_environment_holds_for_mlflow_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cret")
    assert redacted("refused s3cret") == "refused ***"


class Failing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(500, f"no {self.path}")

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def failing_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


STORAGES = (
    "me:s3cret@host/db",  # no URL
    "nonsense+driver://me:s3cret@host/db",  # no such database
    "postgresql+nodriver://me:s3cret@host/db",  # no such driver
    "postgresql+psycopg://me:s3cret@127.0.0.1:{closed}/none?password=s3cret",  # refused
    "postgresql+psycopg://me:s3c@ret@127.0.0.1:port/none",  # malformed
    "sqlite:////no/such/folder/x.db?password=s3cret",
    "journal:////no/such/folder/x.log?token=s3cret",
)
STORES = (
    "http://me:s3cret@127.0.0.1:{failing}/x?token=s3cret",  # answers 500
    "http://s3cret@127.0.0.1:{closed}",  # refused
    "postgresql+psycopg://me:s3cret@127.0.0.1:{closed}/none",
    "nonsense://me:s3cret@host",
    "me:s3cret@host",
    "file:///x?password=s3cret",
    "sqlite:////no/such/folder/x.db?password=s3cret",
)
SECRETS = ("s3cret", "s3c@ret")


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code in (1, 2)
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("url", STORAGES)
@pytest.mark.parametrize("command", ["run", "tune", "landscape", "export"])
def test_no_command_shows_the_password_of_a_storage_that_fails(
    command: str, url: str, tiny: str, tmp_path: Path, closed_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    out = ["--out", str(tmp_path / "out"), "--no-tracking"]
    url = url.format(closed=closed_port)
    arguments = {
        "run": ["run", str(tmp_path / "tiny.toml"), *out, "--storage", url],
        "tune": ["tune", "ellipse", "sgd", *out, "--storage", url],
        "landscape": ["landscape", "ellipse", "sgd", *out, "--storage", url],
        "export": ["export", "optuna", url, url],  # no such record, and its name is said
    }[command]
    if command == "landscape":
        arguments += ["--fix", f"lr={url}"]  # a landscape keeps no study; the mistake is another one
    said = told(arguments, capsys)
    assert not any(secret in said for secret in SECRETS), said
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("uri", STORES)
def test_no_error_of_a_tracking_store_shows_its_password(
    uri: str, failing_server: int, closed_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = uri.format(failing=failing_server, closed=closed_port)
    said = told(["report", "mlflow:none", "--tracking-uri", uri], capsys)
    assert not any(secret in said for secret in SECRETS), said


def test_an_export_says_where_without_the_password(
    tmp_path: Path, tiny: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.running.run_suite import run
    from benchmarks.tuning import optuna_export

    run(Suite.parse(tiny, "test"), tmp_path / "out")
    monkeypatch.setattr(optuna_export, "export_cells", lambda cells, *_: (1 for _ in cells))  # a server that takes it
    with pytest.raises(SystemExit):
        main(["export", "optuna", str(tmp_path / "out"), "postgresql://host/db?user=me&password=s3cret"])
    assert "1 studies written to postgresql://host/db?user=me&password=***" in capsys.readouterr().out


def test_an_error_from_python_has_no_password_either() -> None:
    assert str(StepscapeError("no postgresql://me:s3cret@host")) == "no postgresql://me:***@host"


SHOWN_BY_PYTHON = """
import logging, sys, warnings
from benchmarks.redaction import guard_output
guard_output()
url = "postgresql://me:s3cret@host"
warnings.warn(f"warned of {url}")
logging.getLogger("x").warning("logged %s", url)
try:
    raise ValueError(f"caught {url}")
except ValueError:
    logging.getLogger("x").exception("failed")
raise ValueError(f"raised {url}")
"""


def test_tracebacks_warnings_and_log_lines_are_redacted() -> None:
    done = subprocess.run([sys.executable, "-c", SHOWN_BY_PYTHON], capture_output=True, text=True, check=False)
    assert "s3cret" not in done.stderr.replace('url = "postgresql://me:s3cret@host"', "")
    for word in ("warned of", "logged", "caught", "raised"):
        assert f"{word} postgresql://me:***@host" in done.stderr


def test_a_record_whose_suite_names_a_password_does_not_keep_it_and_goes_on(tmp_path: Path, tiny: str) -> None:
    suite = Suite.parse(f'description = "of postgresql://me:s3cret@host"\n{tiny}', "test")
    for _ in range(2):
        RecordFolder(tmp_path / "out").open(suite)
    assert "of postgresql://me:***@host" in (tmp_path / "out" / "suite.toml").read_text()
    assert json.loads((tmp_path / "out" / "environment.json").read_text())["python"]

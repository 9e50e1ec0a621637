from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from analysis.record.cells import Record
from benchmarks.cli.main import main
from benchmarks.errors import TrackingError, UsageError
from benchmarks.mlflow_mirror.database import Database
from benchmarks.mlflow_mirror.fetch import fetch
from benchmarks.mlflow_mirror.store import default_uri
from benchmarks.mlflow_mirror.tracker import Tracker
from benchmarks.mlflow_mirror.ui import serve, serving, view_url

OPEN = build_opener(ProxyHandler({})).open


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_folder_that_is_no_record_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is not a results folder"), serving(tmp_path, 5000):
        pass


def test_a_record_without_a_store_says_what_to_do(record):
    (record.path / "mlflow.db").unlink()
    with pytest.raises(UsageError, match="run its suite again"), serving(record.path, 5000):
        pass


def test_a_moved_folder_is_shown_once_its_store_is_rebuilt(record, tmp_path, monkeypatch):
    Tracker(default_uri(record.path), "toy", record.path, children="none").log_cell(record.cells[0])
    moved = record.path.rename(tmp_path / "moved")
    served = []
    monkeypatch.setattr("benchmarks.mlflow_mirror.ui.serve", lambda folder, **_: served.append(folder))
    with pytest.raises(SystemExit) as left:
        main(["ui", str(moved), "--rebuild"])
    assert left.value.code == 0
    assert served == [moved]
    found = Database.known(moved / "mlflow.db").experiment("toy")
    assert found.artifacts == (moved / "mlartifacts").as_uri()
    cells = Database(moved / "mlflow.db").find(found, "role", "cell")
    assert len(cells) == 2
    assert {path.name for path in (moved / "mlartifacts").iterdir()} == set(cells)
    assert len(Record.load(moved).cells) == 2


def test_what_is_no_record_is_not_rebuilt(tmp_path):
    (tmp_path / "mlflow.db").write_text("somebody's own")
    with pytest.raises(SystemExit) as left:
        main(["ui", str(tmp_path), "--rebuild"])
    assert left.value.code == 2
    assert (tmp_path / "mlflow.db").read_text() == "somebody's own"


def test_the_user_is_told_how_to_leave_the_genai_pages(logged, monkeypatch):
    @contextmanager
    def started(folder, port, on_start):
        yield "http://127.0.0.1:1/#", SimpleNamespace(wait=lambda: None, returncode=0)

    monkeypatch.setattr("benchmarks.mlflow_mirror.ui.serving", started)
    said = []
    with pytest.raises(TrackingError, match="ended by itself"):
        serve(logged.path, say=said.append)
    assert "choose *Model training* at the top left" in said[0]


STUBBORN = """
import json, signal, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # children inherit it
child = subprocess.Popen(["sleep", "60"])
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        found = {"artifact_location": sys.argv[2], "experiment_id": str(child.pid)}
        self.wfile.write(json.dumps({"experiment": found}).encode())
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_that_will_not_end_is_gone_in_two_seconds_with_what_it_started(record, free_port, monkeypatch):
    place = (record.path / "mlartifacts").as_uri()
    stubborn = [sys.executable, "-c", STUBBORN, str(free_port), place]
    monkeypatch.setattr("benchmarks.mlflow_mirror.ui._command", lambda folder, port: stubborn)
    with serving(record.path, free_port) as (url, server):
        child = int(url.partition("experiments/")[2].partition("/")[0])
        os.kill(child, 0)
        asked = time.monotonic()
    assert time.monotonic() - asked < 2.5  # a second to end by itself; before: five
    assert server.poll() == -signal.SIGKILL
    for _ in range(50):  # whoever takes in orphans reaps it
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    pytest.fail("what the server started outlived it")


def test_a_taken_port_is_named_with_another_to_choose(record):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is taken .*--port"), serving(record.path, port):
            pass


def test_the_address_opens_the_table_of_cells():
    url = view_url(5000, "1")
    assert url.startswith("http://127.0.0.1:5000/#/experiments/1/runs?")
    assert url.endswith("&viewStateShareKey=cells")


@pytest.mark.slow
def test_the_page_answers_on_loopback_to_local_names_only_and_ends_with_the_block(logged, free_port):
    with serving(logged.path, free_port) as (url, server):
        with OPEN(url.partition("#")[0]) as page:
            assert b"<title>MLflow</title>" in page.read()
        with pytest.raises(HTTPError, match="403") as refused:
            OPEN(Request(f"http://127.0.0.1:{free_port}/", headers={"Host": "evil.example"}))
        refused.value.close()
        with socket.socket() as probe:  # another address of this machine
            assert probe.connect_ex(("127.0.0.2", free_port)) != 0
    assert server.poll() is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port)) != 0


@pytest.mark.slow
def test_a_server_takes_a_record_and_gives_it_back_without_a_word(logged, free_port, tmp_path, builder, capfd):
    record = builder.record(tmp_path / "record", ("sgd",))
    with serving(logged.path, free_port):
        uri = f"http://127.0.0.1:{free_port}"
        Tracker(uri, "by way of a server", record.path, children=1).log_cell(record.cells[0])
        fetched = Record.load(fetch("by way of a server", uri, tmp_path / "fetched"))
    assert capfd.readouterr() == ("", "")
    assert fetched.cells[0].curves.equals(record.cells[0].curves)


@pytest.mark.slow
def test_a_folder_whose_name_means_something_in_an_address_is_shown(free_port, tmp_path, builder):
    record = builder.record(tmp_path / "a?%41", ("sgd",))
    Tracker(default_uri(record.path), "toy", record.path, children="none").log_cell(record.cells[0])
    with serving(record.path, free_port):
        fetched = Record.load(fetch("toy", f"http://127.0.0.1:{free_port}", tmp_path / "fetched"))
    assert fetched.cells[0].curves.equals(record.cells[0].curves)


@pytest.mark.slow
def test_the_server_ends_when_its_parent_is_killed(logged, free_port):
    program = (
        "import sys; from pathlib import Path; from benchmarks.mlflow_mirror.ui import serve\n"
        "serve(Path(sys.argv[1]), port=int(sys.argv[2]), say=lambda text: print(text, flush=True))"
    )
    command = [sys.executable, "-c", program, str(logged.path), str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"MLflow's server is starting ...\n"
        assert parent.stdout.readline().startswith(b"http://127.0.0.1:")
        os.kill(parent.pid, signal.SIGKILL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", free_port)) != 0:
                return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent by ten seconds")

"""A mirror beside the work: a server that is slow, trickles or hangs delays no run, and `sync` makes up for it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.errors import TrackingError
from benchmarks.mlflow_mirror.store import connect, default_uri, reported
from benchmarks.running import mirroring as module
from benchmarks.running.mirroring import Mirroring
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite


class Tarpit(BaseHTTPRequestHandler):
    """Answers as its path says: late, a byte at a time, or never."""

    over = threading.Event()

    def do_GET(self) -> None:
        if self.path.startswith("/hangs"):
            self.over.wait()
            return
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.over.wait(0.05):
            self.wfile.write(b" ")

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def tarpit() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Tarpit) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Tarpit.over.set()
        server.shutdown()


IMPATIENT = "import benchmarks.running.mirroring as m; m.BUDGET = 1.0; from stepscape import main; main()"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hangs", "trickles"])
def test_a_server_that_never_ends_its_answer_is_left_to_sync_and_the_user_told_once(
    kind: str, tarpit: str, tiny: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    out = tmp_path / "out"
    words = ["run", "tiny.toml", "--out", str(out), "--jobs", "1", "--tracking-uri", f"{tarpit}/{kind}"]
    # a process of its own: the thread that was given up ends with it, and holds locks of MLflow's until then
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT, *words],
        capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False,
        env={**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("MLflow is slow: 1 of 1 parts were not mirrored in time") == 1
    assert f"`stepscape sync {out}`" in done.stderr
    assert "report:" in done.stdout


@pytest.mark.slow
def test_sync_writes_what_is_missing_and_only_that(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    out = tmp_path / "out"
    assert call("run", tmp_path / "tiny.toml", "--out", out, "--jobs", "1", "--no-tracking") == 0
    assert call("sync", out) == 0
    assert f"1 cell of {out} in MLflow at sqlite:///" in capsys.readouterr().out
    before = _runs(out)
    assert len(before) > 2
    assert call("sync", out, default_uri(out)) == 0
    assert _runs(out) == before


def _runs(folder: Path) -> list[str]:
    with reported(default_uri(folder)):
        client = connect(default_uri(folder))
        return sorted(
            run.info.run_id for run in client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
        )


def test_cells_are_run_while_the_mirror_is_busy(tiny: str, tmp_path: Path) -> None:
    suite = Suite.parse(tiny.replace('["sgd"]', '["sgd", "rmsprop"]'), "test")
    both, mirrored = threading.Event(), []

    def mirror(folder: Path) -> None:
        while len(list(folder.parent.glob("[!.]*"))) < 2:  # until the other cell has landed too
            assert not both.wait(0.01)
        mirrored.append(folder.name)

    assert run(suite, tmp_path / "out", mirror=mirror).warnings == []
    assert sorted(mirrored) == ["ellipse--rmsprop", "ellipse--sgd"]


def test_what_comes_after_the_time_is_up_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE", 0.05)
    warnings: list[str] = []
    mirroring, blocked, done = Mirroring(tmp_path, warnings, deadline=time.time() - 1), threading.Event(), []
    mirroring.give(blocked.wait)
    mirroring.give(lambda: done.append(1))
    mirroring.finish()
    blocked.set()
    mirroring.give(lambda: done.append(2))
    time.sleep(0.05)
    assert done == []
    assert len(warnings) == 1
    assert warnings[0].startswith("MLflow is slow: 2 of 2 parts")


def test_a_failure_stops_the_mirror_and_is_said_once_and_a_bug_is_raised(tmp_path: Path) -> None:
    warnings: list[str] = []

    def fail() -> None:
        raise TrackingError("no server")

    mirroring = Mirroring(tmp_path, warnings, None)
    mirroring.give(fail)
    mirroring.give(fail)
    mirroring.finish()
    assert warnings == ["no server"]
    broken = Mirroring(tmp_path, warnings, None)
    broken.give(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.finish()


def test_how_far_the_mirror_is_is_told_while_it_is_waited_for(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    waited_for = threading.Event()

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        waited_for.set()

    mirroring = Mirroring(tmp_path, [], None, tell)
    mirroring.finish()
    assert told == []  # nothing was given
    mirroring.give(waited_for.wait)
    mirroring.give(lambda: None)
    mirroring.finish()
    assert told[0] == (0, 2)
    assert told[-1] == (2, 2)
    assert told == sorted(told)

"""The servers of docs/scale.md, started by the commands that stand there, and used as it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from analysis.record.cells import Record
from benchmarks.cli.main import main
from benchmarks.errors import StepscapeError
from benchmarks.mlflow_mirror.fetch import fetch
from benchmarks.mlflow_mirror.store import connect, reported
from benchmarks.tuning.storages import close_storage, open_storage

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
SUITE = """
name = "shared"
problems = ["ellipse"]
optimizers = ["sgd"]
steps = 20
[tuning]
studies = 2
trials = 8
block = 4
seeds = 2
[test]
seeds = 2
[landscape]
grid = "4x2"
"""


def documented(name: str) -> str:
    """The command under the comment of that name."""
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (command,) = re.findall(rf"<!-- {name} -->\n```console\n\$ (.*)\n```", page)
    return str(command)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(question: Callable[[], object], process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Wait until ``question`` raises no more."""
    began = time.monotonic()
    while True:
        try:
            question()
            return
        except (OSError, StepscapeError):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() - began < seconds
            time.sleep(0.5)


@contextmanager
def running(command: str, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server that runs in the foreground, with the processes it starts."""
    process = subprocess.Popen(
        command, shell=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Servers:
    """Where the three answer."""

    database: str
    proxy: str
    mlflow: str
    artifacts: Path


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    debian = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    path = os.pathsep.join([str(Path(sys.executable).parent), *debian, os.environ["PATH"]])
    if shutil.which("pg_ctl", path=path) is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    pytest.importorskip("grpc", reason="grpcio is not installed")
    port, proxy, mlflow = free_port(), free_port(), free_port()
    environment = {**os.environ, "PATH": path, "PGPORT": str(port), "MLFLOW_DISABLE_TELEMETRY": "true"}
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # PostgreSQL refuses to be root

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o777)

        def postgres(command: str) -> None:
            said = f"cd {folder} && PATH={shlex.quote(path)} PGPORT={port} && export PATH PGPORT && {command}"
            subprocess.run([*as_user, "sh", "-c", said], check=True, stdout=subprocess.DEVNULL)

        stack.callback(postgres, "pg_ctl -D pgdata -m immediate stop")
        postgres(documented("postgres"))
        before = running(documented("proxy").replace("13000", str(proxy)), folder, environment)
        server = running(documented("mlflow").replace("5000", str(mlflow)), folder, environment)
        first, second = stack.enter_context(before), stack.enter_context(server)
        answers(lambda: close_storage(open_storage(f"grpc://localhost:{proxy}")), first)
        answers(lambda: urllib.request.urlopen(f"http://localhost:{mlflow}/health", timeout=5).close(), second)
        database = f"postgresql+psycopg://stepscape@localhost:{port}/postgres"
        yield Servers(database, f"grpc://localhost:{proxy}", f"http://localhost:{mlflow}", folder / "artifacts")


@pytest.fixture(scope="module")
def folder(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a suite that was run through the proxy and mirrored to the server."""
    folder = tmp_path_factory.mktemp("record")
    (folder / "shared.toml").write_text(SUITE, encoding="utf-8")
    out = folder / "out"
    stores = ["--storage", servers.proxy, "--tracking-uri", servers.mlflow, "--jobs", "1"]
    with pytest.raises(SystemExit) as left:
        main(["run", str(folder / "shared.toml"), "--out", str(out), *stores])
    assert left.value.code == 0
    return out


def test_what_the_proxy_was_told_is_in_the_database_behind_it(servers: Servers, folder: Path) -> None:
    import optuna

    storage = open_storage(servers.database)
    told = [
        trial.user_attrs["lr"]
        for name in sorted(optuna.get_all_study_names(storage))
        for trial in optuna.load_study(study_name=name, storage=storage).trials
    ]
    close_storage(storage)
    (cell,) = Record.load(folder).cells
    assert len(told) == 18  # two studies of 8 trials and the defaults
    assert sorted(told) == sorted(cell.trials["lr"])


def test_a_record_in_a_real_server_is_fetched_as_it_was(servers: Servers, folder: Path, tmp_path: Path) -> None:
    fetched = fetch("shared", servers.mlflow, tmp_path / "fetched")
    (there,), (here,) = Record.load(fetched).cells, Record.load(folder).cells
    assert there.info == here.info
    for table in ("trials", "runs", "curves", "landscape"):
        pd.testing.assert_frame_equal(getattr(there, table), getattr(here, table), check_exact=True)


def test_the_runs_are_in_postgresql_and_their_files_in_the_folder(servers: Servers, folder: Path) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(servers.database.replace("/postgres", "/mlflow"))
    with engine.connect() as connection:
        roles = connection.execute(sqlalchemy.text("SELECT value FROM tags WHERE key = 'role'")).scalars().all()
    engine.dispose()
    assert sorted(set(roles)) == ["cell", "report", "test", "trial"]
    assert roles.count("cell") == 1
    (cell,) = servers.artifacts.rglob("cell.json")
    assert json.loads(cell.read_text(encoding="utf-8"))["cell"] == "ellipse--sgd"


def test_what_is_there_already_is_not_written_again(servers: Servers, folder: Path) -> None:
    def runs() -> int:
        with reported(servers.mlflow):
            client = connect(servers.mlflow)
            experiment = client.get_experiment_by_name("shared")
            return len(client.search_runs([experiment.experiment_id]))

    before = runs()
    with pytest.raises(SystemExit) as left:
        main(["sync", str(folder), servers.mlflow])
    assert left.value.code == 0
    assert runs() == before > 4

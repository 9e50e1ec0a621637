"""The device of what is trained by a command that has no suite, and by a question of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from analysis.record.exhibits import Exhibit
from benchmarks.conformance import report
from benchmarks.conformance.problems import a_run_goes_on_the_device
from benchmarks.conformance.report import check_problem
from benchmarks.engine import devices
from benchmarks.engine.devices import on_device
from benchmarks.engine.training import Training
from benchmarks.exhibits import Answer, make_question
from benchmarks.exhibits.memory import Memory
from benchmarks.naming.registry import make_problem
from benchmarks.record.folder import RecordFolder
from benchmarks.running.jobs import exhibit_jobs
from benchmarks.suite.suite import Suite

META = torch.device("meta")
SUITE = 'name = "asked"\nproblems = ["ellipse"]\noptimizers = ["sgd"]\nexhibits = ["memory"]'


@pytest.fixture
def a_second_device(monkeypatch: pytest.MonkeyPatch) -> str:
    """A device that there is everywhere, besides the CPU; it holds no numbers."""
    monkeypatch.setattr(devices, "WRITTEN", re.compile("cpu|meta"))
    return "meta"


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "ladder", "--on", "ellipse"],
        ["unit-test", "rmsprop"],
        ["zoom", "rosenbrock", "momentum"],
        ["check", "ellipse"],
        ["tune", "ellipse", "rmsprop"],
        ["landscape", "ellipse", "rmsprop"],
        ["run", "smoke"],
    ],
    ids=lambda command: str(command[0]),
)
def test_every_command_that_trains_says_that_a_gpu_is_not_there_and_writes_nothing(
    call: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: list[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    assert call(*command, "--device", "cuda:1") == 2
    assert "so nothing runs on cuda:1; leave --device out, or auto" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_names_no_device_is_where_its_question_is(a_second_device: str) -> None:
    with on_device(a_second_device):
        assert Training("ellipse", "sgd", [1], 1).device == META
        assert Training("ellipse", "sgd", [1], 1, device="cpu").device == torch.device("cpu")
    assert Training("ellipse", "sgd", [1], 1).device == torch.device("cpu")


def test_a_question_of_a_suite_is_answered_on_its_device_and_says_so(
    a_second_device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain, seen = Memory.answer, []

    def answer(question: Memory, data: Path | None) -> Answer:
        seen.append(Training("ellipse", "sgd", [1], 1).device)
        with on_device("cpu"):
            return plain(question, data)

    monkeypatch.setattr(Memory, "answer", answer)
    for device, said in ((a_second_device, ("Runs were trained on meta.",)), ("cpu", ())):
        record = RecordFolder(tmp_path / device)
        record.exhibit("memory").parent.mkdir(parents=True)
        (job,) = exhibit_jobs(Suite.parse(SUITE, "test"), record, None, None, device)
        method = Exhibit.load(job.run()).info.method
        assert method == (*plain(make_question("memory", {}), None).method, *said)
    assert seen == [META, torch.device("cpu")]


def test_a_check_on_a_device_trains_there_too(a_second_device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PROBLEM_CHECKS", ())
    assert check_problem("ellipse").findings == ()
    assert a_run_goes_on_the_device(make_problem("ellipse")) is None
    with on_device(a_second_device):
        (there,) = check_problem("ellipse").findings
    assert there.requirement == "A run goes on the device, and begins at the loss that it has on the CPU."
    assert not there.ok  # no number comes back from meta tensors

"""Questions asked by a command of their own, and in a suite: a small one that is known here only stands for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.answers import page as answers_page
from analysis.answers.panels import panel, write
from analysis.answers.part import Part, Plate
from analysis.chapter.page import PARTS
from analysis.figures.style import drawing
from analysis.record import exhibits as recorded
from analysis.record.exhibits import Exhibit, ExhibitSchema, Facts
from benchmarks import exhibits
from benchmarks.cli.main import cli
from benchmarks.exhibits import Answer, Question
from benchmarks.naming.registry import make_problem
from problems import Problem


@dataclass(frozen=True)
class SizeFacts(Facts):
    """The facts of the question ``size``."""

    largest: int


class Size(Question):
    """How many parameters have the problems ``on``?"""

    name = "size"
    seconds = 2.0

    on: list[str] = ["square"]
    times: int = 1

    def problems(self, data: Path | None) -> list[Problem]:
        return [make_problem(name, data) for name in self.on]

    def answer(self, data: Path | None) -> Answer:
        sizes = [problem.dim * self.times for problem in self.problems(data)]
        return Answer({"sizes": pd.DataFrame({"size": sizes})}, SizeFacts(max(sizes)), ["They were counted."])


def size_part(exhibit: Exhibit[SizeFacts]) -> Part:
    """The part on the exhibit ``size``."""
    with drawing():
        figure, axes = panel()
        axes.plot(exhibit.table("sizes")["size"])
        write(axes, "problem", "parameters", "Sizes")
    plate = Plate("Sizes", {"sizes": figure}, {"sizes": "One line"}, {"sizes": "All are small"})
    return Part("size", "Sizes", "How large?", [f"The largest has {exhibit.facts.largest} <parameters>."], [plate])


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = ExhibitSchema("size", "How large?", {"sizes": {"size": "parameters"}}, SizeFacts)
    monkeypatch.setitem(exhibits.EXHIBITS, "size", Size)  # type: ignore[arg-type]
    monkeypatch.setitem(recorded.SCHEMAS, "size", schema)  # type: ignore[arg-type]
    monkeypatch.setitem(answers_page.ANSWERS, "size", size_part)  # type: ignore[arg-type]


def test_a_question_is_answered_once_and_its_time_is_said_first(tmp_path: Path) -> None:
    asked = ["ask", "size", "--on", "ellipse", "--set", "times=3", "--out", str(tmp_path / "size")]
    first = CliRunner().invoke(cli, asked)
    assert first.exit_code == 0, first.output
    assert first.output.index("size: about 2 s on one core") < first.output.index("The largest has 6 <parameters>.")
    page = (tmp_path / "size" / "report" / "questions.html").read_text()
    assert "The largest has 6 &lt;parameters&gt;." in page
    assert "index.html" not in page  # there is no report to link to
    assert (tmp_path / "size" / "report" / "figures" / "questions" / "size-sizes.png").is_file()
    assert "answered already" in CliRunner().invoke(cli, asked).output


def test_another_question_does_not_take_the_place_of_an_answer(tmp_path: Path) -> None:
    for times, code in (("1", 0), ("2", 1)):
        done = CliRunner().invoke(cli, ["ask", "size", "--set", f"times={times}", "--out", str(tmp_path)])
        assert (done.exit_code != 0) == code
    assert "holds another answer to 'size'; choose another folder with --out" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["memory"], "a question of the book's chapter: stepscape run rmsprop-chapter answers it"),
        (["siez"], "unknown exhibit 'siez', did you mean 'size'?"),
        (["size", "--set", "time=3"], "has no option 'time', did you mean 'times'?"),
        (["size", "--set", "times"], "--set is written OPTION=VALUE"),
        (["size", "--on", "elipse"], "unknown problem 'elipse'"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence_and_leaves_nothing(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["ask", *arguments])
    assert done.exit_code != 0
    assert said in f"{done.output}{done.exception}"
    assert not list(tmp_path.iterdir())


def test_a_suite_s_questions_have_a_page_beside_its_report(tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        """
        name = "asking"
        problems = ["square"]
        optimizers = ["sgd"]
        steps = 5
        exhibits = ["size"]
        [tuning]
        studies = 1
        trials = 2
        block = 2
        seeds = [1]
        [test]
        seeds = [101]
        [landscape]
        enabled = false
        [exhibit.size]
        on = ["square", "ellipse"]
        """
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["run", str(suite), "--out", str(out), "--no-tracking", "--jobs", "1"])
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    assert 'href="questions.html">1 question answered besides' in (out / "report" / "index.html").read_text()
    page = (out / "report" / "questions.html").read_text()
    assert "The largest has 2 &lt;parameters&gt;." in page
    assert 'href="index.html"' in page


def test_every_question_has_its_place_on_one_page() -> None:
    assert {name for name, schema in recorded.SCHEMAS.items() if schema.page == "chapter"} == {*PARTS}
    assert {name for name, schema in recorded.SCHEMAS.items() if schema.page == "questions"} == {*answers_page.ANSWERS}

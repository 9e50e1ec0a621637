"""Exhibits as parts of a suite: named, checked, run by the workers, kept, and read back."""

from __future__ import annotations

import json
import shutil
import time

import pandas as pd
import pytest

from analysis.pages.report import write_report
from analysis.record.errors import RecordError
from analysis.record.exhibits import SCHEMAS, Exhibit, check_exhibit, load_exhibits
from analysis.record.exhibits.memory import MemoryFacts
from benchmarks.cli.execute import Machine, execute
from benchmarks.cli.progress import SuiteProgress
from benchmarks.errors import SuiteError, UnknownNameError, UsageError
from benchmarks.exhibits import EXHIBITS, make_question
from benchmarks.record.folder import RecordFolder
from benchmarks.running.jobs import exhibit_jobs
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite, builtin_suites

TEXT = """
name = "asking"
problems = ["ellipse"]
optimizers = ["sgd"]
exhibits = ["gamma-one", "memory"]
report = "chapter"
steps = 5
[tuning]
enabled = false
[landscape]
enabled = false
[exhibit.memory]
steps = 10
[exhibit.gamma-one]
steps = 30
decades = 1
"""
ASKING = Suite.parse(TEXT, "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("exhibits") / "asking"
    result = run(ASKING, path)
    assert not result.failed
    assert sorted(done.name for done in result.landed) == ["ellipse--sgd", "exhibit gamma-one", "exhibit memory"]
    return path


def test_every_exhibit_has_a_schema_and_every_schema_an_exhibit(quick):
    assert EXHIBITS.keys() == SCHEMAS.keys() == quick.keys()


def test_exhibits_are_read_back_in_the_suites_order_with_their_options(folder):
    found = load_exhibits(folder)
    assert list(found) == ["gamma-one", "memory"]
    memory = found["memory"]
    assert memory.info.options["steps"] == 10
    assert memory.info.question == SCHEMAS["memory"].question
    assert len(memory.table("weights")) == 40
    assert memory.facts.largest_error < 1e-15


def test_a_second_run_keeps_every_exhibit(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    result = run(ASKING, folder)
    assert result.ran == []
    assert set(result.kept) == {"ellipse--sgd", "exhibit gamma-one", "exhibit memory"}
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_was_broken_off_asks_what_is_missing_only(folder, tmp_path):
    record = RecordFolder(tmp_path)
    record.open(ASKING)
    (tmp_path / "exhibits" / ".gamma-one.1").mkdir()
    exhibit_jobs(ASKING, record, None, None)[1].run()
    result = run(ASKING, tmp_path)
    assert [done.name for done in result.ran if done.name.startswith("exhibit")] == ["exhibit gamma-one"]
    assert {path.name for path in (tmp_path / "exhibits").iterdir()} == {"gamma-one", "memory"}
    for name, tables in (("memory", ("weights", "windows")), ("gamma-one", ("outcomes", "approach"))):
        for table in tables:
            whole = load_exhibits(folder)[name].table(table)
            pd.testing.assert_frame_equal(whole, load_exhibits(tmp_path)[name].table(table))


def test_an_exhibit_of_other_instances_of_its_problems_is_refused(tmp_path):
    run(ASKING, tmp_path)
    file = tmp_path / "exhibits" / "memory" / "exhibit.json"
    info = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**info, "fingerprint": "other"}), encoding="utf-8")
    with pytest.raises(UsageError, match="other instances of its problems"):
        run(ASKING, tmp_path)


@pytest.mark.slow
def test_a_chapter_that_a_broken_off_run_never_wrote_is_written_by_the_next(folder, tmp_path):
    out = tmp_path / "asking"
    shutil.copytree(folder, out)
    write_report(out)  # the ordinary report comes first; here the run ended
    outcome = execute(ASKING, Machine(out=out, jobs=1, no_tracking=True), SuiteProgress(ASKING))
    assert outcome.result.ran == []
    assert outcome.page == out / "report" / "chapter.html"
    assert outcome.page.is_file()


def test_after_the_deadline_no_exhibit_begins(tmp_path):
    result = run(ASKING, tmp_path, deadline=time.time() - 1)
    assert {done.name for done in result.unfinished} >= {"exhibit memory", "exhibit gamma-one"}
    assert load_exhibits(tmp_path) == {}


def test_an_unknown_exhibit_is_refused_with_the_nearest_name_before_anything_is_written(tmp_path):
    suite = Suite.parse(TEXT.replace("memory", "memorry"), "test")
    with pytest.raises(UnknownNameError, match="did you mean 'memory'"):
        run(suite, tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_an_unknown_option_is_refused_with_the_nearest_one():
    with pytest.raises(SuiteError, match=r"no option 'sedes', did you mean 'seeds'\?; it has seeds"):
        make_question("numbers", {"sedes": 3})


def test_a_value_of_the_wrong_kind_is_refused():
    with pytest.raises(SuiteError, match="exhibit 'numbers': seeds"):
        make_question("numbers", {"seeds": 0})


def test_options_of_an_exhibit_the_suite_does_not_name_are_refused():
    with pytest.raises(SuiteError, match=r"exhibit 'numbers' is not among the suite's exhibits"):
        Suite.parse(TEXT + "[exhibit.numbers]\nseeds = 3\n", "test")


def test_a_suite_with_exhibits_survives_being_written_and_read():
    assert Suite.parse(ASKING.to_toml(), "again") == ASKING


def test_the_fingerprint_names_options_and_problems():
    few, more = make_question("variants", {"seeds": 2}), make_question("variants", {"seeds": 3})
    assert few.fingerprint(None) == make_question("variants", {"seeds": 2}).fingerprint(None) != more.fingerprint(None)


def test_a_table_that_is_not_its_schemas_is_refused(answer_of):
    answer = answer_of("memory")
    with pytest.raises(RecordError, match="table windows and its schema disagree on extra"):
        check_exhibit("memory", {**answer.tables, "windows": answer.tables["windows"].assign(extra=1)}, answer.facts)
    with pytest.raises(RecordError, match=r"facts\.steps is missing"):
        MemoryFacts.from_json({name: v for name, v in answer.facts.to_json().items() if name != "steps"})
    with pytest.raises(RecordError, match="has no table more"):
        check_exhibit("memory", {**answer.tables, "more": answer.tables["windows"]}, answer.facts)


def test_a_damaged_exhibit_is_named(folder, tmp_path):
    with pytest.raises(RecordError, match="not a finished exhibit"):
        Exhibit.load(tmp_path)
    with pytest.raises(RecordError, match="cannot be read"):
        load_exhibits(folder)["memory"].table("nothing")


def test_the_chapters_suites_ask_every_question_and_can_be_asked():
    for name in ("rmsprop-chapter", "rmsprop-chapter-full"):
        assert name in builtin_suites()
        suite = Suite.load(name)
        assert suite.report == "chapter"
        assert set(suite.exhibits) == {name for name in EXHIBITS if SCHEMAS[name].page == "chapter"}
        for exhibit in suite.exhibits:
            make_question(exhibit, suite.exhibit.get(exhibit, {}))


def test_the_dearest_come_first_unless_time_may_run_out(tmp_path):
    def order_of(folder, deadline):
        return [done.name for done in run(ASKING, folder, deadline=deadline).ran]

    dearest_first = order_of(tmp_path / "all", None)
    assert dearest_first[-1] == "ellipse--sgd"
    assert order_of(tmp_path / "some", time.time() + 600) == dearest_first[::-1]

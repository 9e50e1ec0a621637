"""Suites: every mistake is found, named and answered with the nearest right word; good ones unfold into plans."""

from __future__ import annotations

from pathlib import Path

import pytest

import optimizers
import problems
from benchmarks.errors import SuiteError, UnknownNameError
from benchmarks.suite.settings import parse_grid
from benchmarks.suite.suite import Suite, builtin_suites

GOOD = 'name = "mine"\nproblems = ["ellipse"]\noptimizers = ["sgd", "rmsprop"]\n'


def test_a_suite_reads_back_from_its_own_text() -> None:
    text = GOOD + "[tuning]\ntrials = 8\n[optimizer.rmsprop]\nsearch = {lr = [1e-4, 1.0]}\nfixed = {eps = 1e-3}\n"
    suite = Suite.parse(text, "test")
    assert Suite.parse(suite.to_toml(), "again") == suite


@pytest.mark.parametrize("name", sorted(builtin_suites()))
def test_every_built_in_suite_is_valid_and_named_like_its_file(name: str) -> None:
    suite = Suite.load(name)
    assert suite.name == name
    assert suite.description
    assert Suite.parse(suite.to_toml(), "again") == suite


def test_a_suite_unfolds_into_one_plan_a_cell_with_distinct_names() -> None:
    suite = Suite.parse(GOOD + 'schedules = ["constant", "lr=cosine"]\n', "test")
    plans = suite.cells()
    assert [(p.problem, p.optimizer, p.schedule) for p in plans] == [
        ("ellipse", "sgd", "constant"),
        ("ellipse", "sgd", "lr=cosine"),
        ("ellipse", "rmsprop", "constant"),
        ("ellipse", "rmsprop", "lr=cosine"),
    ]
    assert [p.position for p in plans] == [0, 1, 2, 3]
    assert len({p.name for p in plans}) == 4
    assert plans[0].name == "ellipse--sgd"


def test_cell_names_are_folders_whatever_the_problem_is_called() -> None:
    names = ["quadratic(dim=3)", "quadratic(dim=4)", "quadratic(dim=3, condition=10.0)"]
    suite = Suite.checked({"name": "s", "problems": names, "optimizers": ["my_rules.lib:Thing"]}, "test")
    folders = [plan.name for plan in suite.cells()]
    assert len(set(folders)) == 3
    assert all("/" not in name and ":" not in name and " " not in name for name in folders)


def test_a_problem_can_change_its_budget() -> None:
    suite = Suite.parse(GOOD + "[problem.ellipse]\ntrials = 5\nsteps = 7\nevaluations = 3\ngrid = '9x4'\n", "test")
    plan = suite.cells()[0]
    assert (plan.tuning.trials, plan.steps, plan.evaluations, plan.landscape.grid) == (5, 7, 3, (9, 4))


def test_a_cell_table_changes_the_cells_that_match_it_and_no_others() -> None:
    tables = "[[cell]]\noptimizer = 'rmsprop'\nschedule = 'lr=cosine'\ntrials = 5\n"
    tables += "[[cell]]\nproblem = 'ellipse'\nsteps = 7\n"
    suite = Suite.parse(GOOD + 'schedules = ["constant", "lr=cosine"]\n' + tables, "test")
    assert [(plan.tuning.trials, plan.steps) for plan in suite.cells()] == [(64, 7), (64, 7), (64, 7), (5, 7)]
    assert Suite.parse(suite.to_toml(), "again") == suite
    with pytest.raises(SuiteError, match="optimizer 'adam' is not among the suite's optimizers"):
        Suite.parse(GOOD + "[[cell]]\noptimizer = 'adam'\nsteps = 7\n", "test")


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ("objective = ['final', 'best']\nsampler = 'cmaes'", "the sampler cmaes takes one objective"),
        ("objective = ['final', 'best']\npruner = 'halving'", "pruning needs a single objective"),
        ("sampler = 'grid'\npruner = 'optuna:MedianPruner'", "a grid is told to Optuna afterwards"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_wherever_they_stand(tuning: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        Suite.parse(GOOD + f"[tuning]\n{tuning}\n", "test")
    first, second = tuning.split("\n")
    with pytest.raises(SuiteError, match=message):
        Suite.parse(GOOD + f"[tuning]\n{first}\n[optimizer.sgd.tuning]\n{second}\n", "test")


def test_seeds_are_a_list_or_a_count_and_never_shared_by_tuning_and_test() -> None:
    suite = Suite.parse(GOOD + "[tuning]\nseeds = 2\n[test]\nseeds = [50, 60]\n", "test")
    assert suite.tuning.seeds == [1, 2]
    assert suite.test.seeds == [50, 60]
    assert not set(suite.tuning.seeds) & set(suite.landscape.seeds)
    with pytest.raises(SuiteError, match=r"tuning and test seeds overlap \(7\)"):
        Suite.parse(GOOD + "[tuning]\nseeds = [7]\n[test]\nseeds = [7, 8]\n", "test")


def test_tuning_seeds_of_no_study_are_test_seeds() -> None:
    tables = "[tuning]\nstudies = {}\nseeds = [7, 8]\n[test]\nseeds = [20_008]\n"
    tuning = Suite.parse(GOOD + tables.format(2), "test").tuning
    assert [tuning.seeds_of(study) for study in range(2)] == [[7, 8], [10_007, 10_008]]
    with pytest.raises(SuiteError, match=r"ellipse--sgd: tuning and test seeds overlap \(20008\)"):
        Suite.parse(GOOD + tables.format(3), "test")


def test_two_studies_share_no_seed_however_their_seeds_are_listed() -> None:
    far = GOOD + "[tuning]\nstudies = {}\nseeds = [1, 10_001]\n"
    assert Suite.parse(far.format(1), "test").tuning.seeds == [1, 10_001]
    with pytest.raises(SuiteError, match="the tuning seeds of one study lie within 10,000 of each other"):
        Suite.parse(far.format(2), "test")
    with pytest.raises(SuiteError, match="the tuning seeds of one study lie within 10,000 of each other"):
        Suite.parse(far.format(1) + "[optimizer.sgd.tuning]\nstudies = 2\n", "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        (GOOD + "[tunning]\n", r"unknown key 'tunning', did you mean 'tuning'\?"),
        (GOOD + "[tuning]\ntrails = 5\n", r"unknown key 'tuning.trails', did you mean 'trials'\?"),
        (GOOD + "[tuning]\ntrials = 0\n", "tuning.trials: input should be greater than 0"),
        (GOOD + "[tuning]\nstudies = 0\n", "tuning.studies: input should be greater than 0"),
        (GOOD + "[tuning]\ntrials = 2.5\n", "tuning.trials: input should be a valid integer"),
        (GOOD + "[tuning]\nseeds = []\n", "tuning.seeds"),
        (GOOD + "[tuning]\nseeds = [1, 1]\n", "the same seed stands twice"),
        (GOOD + "[tuning]\nseeds = 1_000_000_000_000\n", "tuning.seeds: a count of seeds is at most 1000"),
        (GOOD + "[tuning]\nseeds = [-1]\n", "greater than or equal to 0"),
        (GOOD + "[tuning]\nsampler = 'bayes'\n", "tuning.sampler"),
        (GOOD + "[landscape]\ngrid = '0x5'\n", "at least 2 points on each side, got 0x5"),
        (GOOD + "[landscape]\ngrid = 'big'\n", "written COLUMNSxROWS"),
        (GOOD + "[problem.elipse]\nsteps = 5\n", r"not among the suite's problems, did you mean 'ellipse'\?"),
        (
            'name = "x"\nproblems = "ellipse"\n',
            "problems: input should be a valid list; the key 'optimizers' is missing",
        ),
        ('name = "x"\nproblems = []\noptimizers = ["sgd"]\n', "problems: list should have at least 1 item"),
        ('name = "x"\nproblems = ["a", "a"]\noptimizers = ["sgd"]\n', "'a' stands twice"),
        ('name = "../x"\nproblems = ["a"]\noptimizers = ["sgd"]\n', "name: it is made of letters"),
        (
            'name = "x"\nproblems = ["a"]\noptimizers = ["sgd"]\n[tuning]\naggregate = "q2"\n',
            "tuning.aggregate: it is mean, median or a quantile as q0.9, got 'q2'",
        ),
        (
            'name = "x"\nproblems = ["a"]\noptimizers = ["sgd"]\n[tuning]\nsampler = "tpee"\n',
            "input should be 'tpe', .* got 'tpee'",
        ),
        ('name = "x"\nproblems = ["a", " a "]\noptimizers = ["sgd"]\n', "'a' stands twice"),
        ('name = "x"\nproblems = ["a"]\noptimizers = ["sgd"]\nschedules = [""]\n', "schedules.0: string should have"),
    ],
)
def test_a_mistake_in_a_suite_is_named(text: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        Suite.parse(text, "my.toml")


def test_a_byte_order_mark_of_a_windows_editor_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "x"\nproblems = ["a"]\noptimizers = ["sgd"]\n', encoding="utf-8-sig")
    assert Suite.load(tmp_path / "mine.toml").name == "x"


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SuiteError) as caught:
        Suite.parse(GOOD + "[tuning]\ntrials = 0\nblock = -1\n[test]\nsedes = 3\n", "my.toml")
    assert all(word in str(caught.value) for word in ("my.toml", "trials", "block", "sedes"))


def test_an_unknown_suite_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        Suite.load("quik")
    with pytest.raises(SuiteError, match="there is no suite file"):
        Suite.load(tmp_path / "none.toml")


def test_plugins_are_found_beside_the_suite_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD + 'plugins = ["rules.py"]\n')
    assert Suite.load(tmp_path / "mine.toml").plugins == [str(tmp_path.resolve() / "rules.py")]


@pytest.mark.parametrize(("text", "grid"), [("64x32", [64, 32]), ("2×2", [2, 2]), ([3, 4], [3, 4])])
def test_grids_are_read(text, grid) -> None:
    assert parse_grid(text) == grid


def test_a_suite_focuses_on_an_optimizer_of_its_own_or_on_one_of_its_labels() -> None:
    focused = Suite.parse(GOOD + 'focus = "rmsprop"\n', "test")
    assert Suite.parse(focused.to_toml(), "again") == focused
    label = Suite.parse(GOOD + 'schedules = ["constant", "lr=cosine"]\nfocus = "sgd · lr=cosine"\n', "test").focus
    assert label == "sgd · lr=cosine"
    several = Suite.parse(GOOD + 'focus = ["rmsprop", "sgd"]\n', "test")
    assert Suite.parse(several.to_toml(), "again").focus == ["rmsprop", "sgd"]
    with pytest.raises(SuiteError, match="focus 'rmsprp' is not among the suite's optimizers, did you mean 'rmsprop'"):
        Suite.parse(GOOD + 'focus = ["sgd", "rmsprp"]\n', "test")
    with pytest.raises(SuiteError, match="focus 'rmsprp' is not among the suite's optimizers, did you mean 'rmsprop'"):
        Suite.parse(GOOD + 'focus = "rmsprp"\n', "test")


def test_the_atlas_has_every_problem_that_needs_no_download_and_every_optimizer_of_ours() -> None:
    atlas = Suite.load("atlas")
    downloaded = {"fashion-mnist-mlp", "fashion-mnist-lenet", "cifar-10-resnet"}
    ours = {spec.name for spec in problems.BUILTIN}  # the registry has what plug-ins of other tests brought
    assert ours - {*atlas.problems} == {*downloaded, "unit"}  # which is asked by the question unit-tests
    assert {spec.name for spec in optimizers.BUILTIN} == {*atlas.optimizers}
    assert {*atlas.problem} < ours

"""The simulation of workers, against what is known of queues and of list scheduling without simulating."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scale_model import Job, Limits, bounds, simulate

SECONDS = st.lists(st.integers(1, 1000), min_size=1, max_size=24)  # whole: sums are exact
WORKERS = st.integers(1, 30)
LIMITS = st.builds(
    Limits,
    start=st.integers(0, 9), send=st.integers(0, 9), land=st.integers(0, 9), call=st.integers(0, 3),
    latency=st.integers(0, 3), mirror=st.integers(0, 20), report=st.integers(0, 9),
)  # fmt: skip
JOBS = st.lists(
    st.builds(
        Job, seconds=st.integers(1, 200), cost=st.integers(1, 200), calls=st.integers(0, 80), mirrored=st.booleans(),
        wave=st.integers(0, 2),
    ),
    min_size=1,
    max_size=16,
)  # fmt: skip


def jobs_of(seconds: list[int]) -> list[Job]:
    """Jobs whose driver knows how long they take."""
    return [Job(each, each) for each in seconds]


@given(seconds=SECONDS)
def test_one_worker_takes_the_sum(seconds: list[int]) -> None:
    limits = Limits(start=4, send=1, land=2, report=7)
    assert simulate(jobs_of(seconds), 1).seconds == sum(seconds)
    assert simulate(jobs_of(seconds), 1, limits).seconds == 4 + sum(seconds) + 3 * len(seconds) + 7


@given(seconds=SECONDS)
def test_as_many_workers_as_jobs_take_the_longest_and_its_way(seconds: list[int]) -> None:
    assert simulate(jobs_of(seconds), len(seconds)).seconds == max(seconds)
    outcome = simulate(jobs_of(seconds), 10**4, Limits(start=4, report=7))
    assert outcome.seconds == 4 + max(seconds) + 7
    assert sorted(outcome.did, reverse=True)[: len(seconds)] == [1] * len(seconds)


def test_the_longest_job_is_sent_first_and_landed_last() -> None:
    limits = Limits(start=4, send=0.5, land=0.25)
    assert simulate(jobs_of([100, 1, 1, 1]), 10**4, limits).seconds == 4 + 0.5 + 100 + 0.25


@given(seconds=SECONDS, workers=WORKERS)
def test_list_scheduling_keeps_grahams_bound(seconds: list[int], workers: int) -> None:
    took = simulate(jobs_of(seconds), workers).seconds
    assert took <= sum(seconds) / workers + (1 - 1 / workers) * max(seconds) + 1e-9


@settings(max_examples=40)
@given(seconds=st.lists(st.integers(1, 30), min_size=1, max_size=6), workers=st.integers(1, 3))
def test_the_longest_first_is_at_most_a_third_longer_than_the_best_of_all_schedules(
    seconds: list[int], workers: int
) -> None:
    best = min(
        max(sum(each for each, at in zip(seconds, places) if at == place) for place in range(workers))
        for places in itertools.product(range(workers), repeat=len(seconds))
    )
    assert simulate(jobs_of(seconds), workers).seconds <= (4 / 3 - 1 / (3 * workers)) * best + 1e-9


def test_grahams_worst_case_for_the_longest_first_is_reached() -> None:
    """Two workers; 3, 3, 2, 2, 2: the best is 6 and the longest first takes 7 = (4/3 - 1/6) * 6."""
    assert simulate(jobs_of([3, 3, 2, 2, 2]), 2).seconds == 7


def test_a_wrong_order_is_followed_too() -> None:
    wrong = [Job(1, 9), Job(1, 8), Job(10, 1)]  # the long job is taken for the cheapest
    assert simulate(wrong, 2).seconds == 11
    assert simulate(jobs_of([1, 1, 10]), 2).seconds == 10


@given(jobs=JOBS, workers=WORKERS, limits=LIMITS)
def test_no_run_ends_before_any_of_its_bounds(jobs: list[Job], workers: int, limits: Limits) -> None:
    outcome = simulate(jobs, workers, limits)
    assert outcome.seconds >= max(bounds(jobs, workers, limits).values()) - 1e-6
    assert sum(outcome.did) == len(jobs)


@given(jobs=JOBS, workers=WORKERS, limits=LIMITS)
def test_every_server_does_what_it_is_asked_once(jobs: list[Job], workers: int, limits: Limits) -> None:
    outcome = simulate(jobs, workers, limits)
    assert outcome.busy["driver"] == pytest.approx(len(jobs) * (limits.send + limits.land))
    assert outcome.busy["store"] == pytest.approx(sum(job.calls for job in jobs) * limits.call)
    assert outcome.busy["mirror"] == pytest.approx(sum(job.mirrored for job in jobs) * limits.mirror)
    assert all(busy <= outcome.seconds for busy in outcome.busy.values())


def test_a_saturated_store_answers_as_often_as_it_can_and_no_oftener() -> None:
    """Utilisation is throughput times service time: at its limit it is 1, however many workers wait."""
    limits = Limits(call=0.01)  # 100 a second
    jobs = [Job(1.0, 1.0, calls=200) for _ in range(400)]
    outcomes = [simulate(jobs, workers, limits) for workers in (1, 2, 100, 400)]
    throughput = [400 * 200 / outcome.seconds for outcome in outcomes]
    assert throughput[0] == pytest.approx(200 / 3)  # a job takes 1 s and its calls 2
    assert throughput[1] == pytest.approx(100, rel=0.01)
    assert throughput[2:] == pytest.approx([100, 100], rel=0.001)
    assert outcomes[3].busy["store"] / outcomes[3].seconds == pytest.approx(1, rel=0.001)


def test_workers_that_wait_for_a_full_store_keep_littles_law() -> None:
    """N workers in a closed circle of z seconds of work and a store of s a call: x = N / (z + r), x <= 1 / s."""
    workers, calls, work, call = 20, 32, 1.0, 0.1
    outcome = simulate([Job(calls * work, 1.0, calls=calls) for _ in range(workers)], workers, Limits(call=call))
    throughput = workers * calls / outcome.seconds
    waited = outcome.seconds / calls - work  # of a call: the others before it, and itself
    assert throughput == pytest.approx(workers / (work + waited))
    assert throughput == pytest.approx(1 / call, rel=0.02)


def test_a_mirror_that_is_slower_than_the_work_is_waited_for() -> None:
    jobs = [Job(1.0, 1.0, mirrored=True) for _ in range(100)]
    outcome = simulate(jobs, 100, Limits(mirror=3.0))
    assert (outcome.landed, outcome.mirrored, outcome.seconds) == (1.0, 301.0, 301.0)
    assert simulate(jobs, 1, Limits(mirror=0.5)).seconds == 100.5  # beside the work, but for the last


def test_a_wave_waits_for_the_one_before_it() -> None:
    jobs = [Job(5, 5, wave=0), Job(2, 2, wave=0), Job(3, 3, wave=1)]
    assert simulate(jobs, 2).seconds == 8
    assert simulate(jobs, 1).seconds == 10


@pytest.mark.slow
def test_real_workers_take_the_simulated_time() -> None:
    """Threads that sleep need no core, so that a busy machine delays them by little; a quarter is room for it."""
    seconds = [0.9, 0.7, 0.5, 0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1]
    simulated = simulate([Job(each, each) for each in seconds], 3).seconds
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(time.sleep, seconds))
    assert simulated <= time.monotonic() - began <= 1.25 * simulated + 0.2


def test_nobody_works_for_nothing() -> None:
    with pytest.raises(ValueError, match="got 0 workers"):
        simulate([], 0)
    assert simulate([], 3, Limits(report=2.0)).seconds == 2.0

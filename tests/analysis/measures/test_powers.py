"""Powers of many chances at once."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np

from analysis.measures.random_search import Ordered


def test_what_a_budget_needed_is_given_back_at_once() -> None:
    counts, ordered = np.ones((1, 100_000)), Ordered.of(np.arange(100_000.0))
    gc.disable()  # a cycle would wait for the collector, which counts objects and not their size
    tracemalloc.start()
    try:
        for _ in range(5):
            ordered.mean(np.arange(100_000.0), [1, 2, 4, 8, 16], counts)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < counts.nbytes

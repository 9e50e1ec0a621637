"""How sure a share is that was counted."""

from __future__ import annotations

from analysis.statistics.bootstrap import LEVEL, Estimate

__all__ = ["share_of"]


def share_of(count: int, n: int, level: float = LEVEL) -> Estimate:
    """The share ``count`` of ``n`` with its exact binomial interval (Clopper and Pearson 1934), as if the n were drawn
    at random. Raises `ValueError` for none, or a count that is not among them.
    """
    if not 0 <= count <= n or n < 1:
        raise ValueError(f"a share is a count from 0 to n of n >= 1, got {count} of {n}")
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Estimate(count / n, low, high, n)

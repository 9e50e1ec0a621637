"""The global random states, read only to check that no code uses them."""

from __future__ import annotations

import pickle
import random

import numpy as np
import torch

__all__ = ["global_random_state"]


def global_random_state() -> bytes:
    """The states of Python's, NumPy's and torch's global generators; equal where nothing drew or reseeded."""
    return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()))  # noqa: NPY002

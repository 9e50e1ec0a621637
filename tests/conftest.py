"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Kernels are kept where all test processes of a run find them, and never in the user's own folder."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if folder.name.startswith("popen-") else folder  # the processes of pytest-xdist
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPSCAPE_CACHE", str(shared / "cache"))
        yield

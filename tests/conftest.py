"""What all tests share."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Kernels are kept where all test processes of a run find them, and never in the user's own folder."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if folder.name.startswith("popen-") else folder  # the processes of pytest-xdist
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPSCAPE_CACHE", str(shared / "cache"))
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a worker: on a busy machine two threads of torch take many times as long."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def made_up_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files with the columns of those that the packages of the extra ``[data]`` ship."""
    import numpy as np

    from problems.diamonds import GRADES

    folder = tmp_path_factory.mktemp("tables")
    draw = np.random.default_rng(0)
    pupils = draw.integers(50, 900, 96)
    tables = {
        "randhie.csv": np.column_stack([draw.poisson(3, 96), draw.uniform(0, 8, (96, 9))]),
        "star98.csv": np.column_stack([pupils, draw.binomial(pupils, 0.2), draw.uniform(0, 90, (96, 20))]),
    }
    for name, table in tables.items():
        np.savetxt(folder / name, table, delimiter=",", header="the names of the columns", comments="")
    grades = ([draw.choice(grades) for grades in GRADES.values()] for _ in range(96))
    (folder / "diamonds.csv").write_text(
        "\n".join(
            ["cut,color,clarity,carat,price,depth,table,x,y,z"]
            + [",".join([*row, *map(str, draw.uniform(1, 9, 7))]) for row in grades]
        )
    )
    columns = ["year", "month", "day", "arr_delay", "carrier", "origin", "dest", "tailnum", "hour"]
    rows = (["2013", "1", *map(str, draw.integers(1, 29, 7))] for _ in range(6 * 96))
    with zipfile.ZipFile(folder / "flights.csv.zip", "w") as packed:
        packed.writestr("flights.csv", "\n".join(map(",".join, [columns, *rows])))
    return folder


@pytest.fixture
def tables_without_packages(monkeypatch: pytest.MonkeyPatch, made_up_tables: Path) -> Iterator[None]:
    """The tables of the extra ``[data]`` give way to others of the same columns, as long as the test runs."""
    from problems import diamonds, flights, glm

    for module in (glm, diamonds, flights):
        monkeypatch.setattr(module, "packaged", lambda package, place: made_up_tables / Path(place).name)
    for module in (diamonds, flights):
        monkeypatch.setattr(module, "ROWS", 80)
    caches = (diamonds.diamonds, diamonds._part, flights.flights, flights._part)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()

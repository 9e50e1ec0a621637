"""Whether two records of one suite are the same to the byte, times apart: ``make same BEFORE=… AFTER=…``.

For maintainers who change the code and not the science. Run a suite with the code before and with the code after the
change, and compare the two results folders. Figures and CSV files must be equal byte for byte, tables value for value
(one may be packed more tightly), JSON files in everything but the seconds that were measured. The page of a report
shows those seconds, so it is compared by writing the report of BEFORE again with the code at hand: page, figures,
tables and recommendations must all be equal then.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmarks.cli.execute import write_page

MEASURED: Final = {"seconds", "cost"}  # keys whose values are times
APART: Final = ("environment.json", "mlflow.db", "mlartifacts", "unfinished", "report")  # no results


def differences(before: Path, after: Path) -> Iterator[str]:
    """What differs between the files of two folders, a line each."""
    left, right = files(before), files(after)
    yield from (f"only before: {name}" for name in sorted(left - right))
    yield from (f"only after:  {name}" for name in sorted(right - left))
    for name in sorted(left & right):
        if name.endswith("/digests.json"):
            continue  # of tables, which are compared themselves, and of files with seconds in them
        a, b = before / name, after / name
        if not same(a, b):
            yield f"differs:     {name}"


def same(a: Path, b: Path) -> bool:
    """Whether two files hold the same."""
    if a.suffix == ".json":
        return without_times(a) == without_times(b)
    if a.read_bytes() == b.read_bytes():
        return True
    return a.suffix == ".parquet" and pd.read_parquet(a).equals(pd.read_parquet(b))


def files(folder: Path) -> set[str]:
    """The names of the files below ``folder`` that are results."""
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return {str(name) for name in found if name.parts[0] not in APART and not name.parts[0].startswith(".mlflow")}


def without_times(file: Path) -> str:
    """The text of a JSON file, its keys in their order, without what was measured in seconds."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(part) for key, part in value.items() if key not in MEASURED}
        return [cut(part) for part in value] if isinstance(value, list) else value

    return json.dumps(cut(json.loads(file.read_text(encoding="utf-8"))))


def main(before: Path, after: Path) -> int:
    """Print what differs; 1 where anything does."""
    found = [f"record  {line}" for line in differences(before, after)]
    with tempfile.TemporaryDirectory() as working:
        again = write_page(before, Path(working) / "report", jobs=2).parent
        found += [f"report  {line}" for line in differences(before / "report", again)]
        count = len(files(after)) + len(files(again))
    sys.stdout.write("\n".join([*found, f"{len(found)} of {count} files differ"]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

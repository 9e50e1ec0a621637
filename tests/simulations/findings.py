"""docs/findings.md and its figures, made anew from the record of suite `family` that comes with the suite, or another.

    python tests/simulations/findings.py                   # of atlas:family: half a minute
    python tests/simulations/findings.py results/family    # of your own run of it
    python tests/simulations/findings.py --pack results/family   # makes it the record that comes with the suite, first

Every number of the page is computed here; `tests/docs/test_findings.py` holds the page to the record.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from findings_of import Family, Finding
from findings_of_rates import FINDINGS

from analysis.figures.style import png
from analysis.record.cells import Record
from analysis.words import duration_text
from benchmarks.record.archive import ENDING, SHIPPED, opened, pack

__all__ = ["found", "main", "page"]

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "findings.md"

HEAD: Final = """# Ten findings

What {cells} cells say: {optimizers} optimizers (every SGD, momentum, Adagrad and RMSProp variant, and Adam beside them)
on {problems} small problems of all families, each tuned by {studies} studies, tested on fresh seeds and mapped over lr
and its second knob. The record comes with the suite:

```sh
stepscape report atlas:family --out family       # every figure and table behind this page
stepscape compare atlas:family results/family    # your own run beside it
stepscape run family                             # made anew: {seconds} of one core here
```

Every number below is filled in from that record by `python tests/simulations/findings.py`. Ratios are of end results as
the report has them: gap to the floor, or loss where none is known, never below what rounding leaves; what diverged or
ended above its start counts as its start. Ten findings of {problems} small problems are no laws: each has its limits.
"""


def found(record: Record) -> list[Finding]:
    """The findings of ``record``, in the order of the page."""
    family = Family(record)
    return [find(family) for find in FINDINGS]


def page(record: Record, findings: Sequence[Finding]) -> str:
    """The text of the page."""
    seconds = sum(value for cell in record for value in cell.info.seconds.to_json().values())
    head = HEAD.format(
        cells=len(record.cells),
        optimizers=len({cell.label for cell in record}),
        problems=len(record.problems),
        studies=max(len(cell.info.studies) for cell in record),
        seconds=duration_text(seconds),
    )
    parts = [head]
    for place, each in enumerate(findings, 1):
        parts.append(f"## {place}. {each.title}\n\n![{each.caption}](findings/{each.name}.png)\n\n*{each.caption}*\n")
        parts.append("\n".join(each.sentences) + f"\n\n**Limits.** {each.limits}\n")
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", default="atlas:family", help="a record of suite family")
    parser.add_argument("--pack", action="store_true", help="put the record into the atlas first")
    asked = parser.parse_args(arguments)
    if asked.pack:
        pack(Path(asked.record), SHIPPED / f"family{ENDING}", light=True)
    record = Record.load(opened(asked.record))
    findings = found(record)
    (DOCS / "findings").mkdir(exist_ok=True)
    for each in findings:
        (DOCS / "findings" / f"{each.name}.png").write_bytes(png(each.draw()))
    PAGE.write_text(page(record, findings), encoding="utf-8")
    print(f"{PAGE}: {len(findings)} findings of {len(record.cells)} cells")


if __name__ == "__main__":
    main()

"""The pictures of README and docs, made anew: all of them, or those that are named.

    python tests/simulations/pictures.py                             # all: some minutes, most for docs/scaling.svg
    python tests/simulations/pictures.py report.png figures.png      # these, of results/quick with its report

The first two are of a record (``--record``, by default results/quick) whose report is there; report.png needs Chromium.
The others are measured or simulated by the scripts that write their pages, tables with them; zoom.png by its command,
those of findings of the record that comes with the suite.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any, Final

from PIL import Image

__all__ = ["MAKERS", "gallery", "main", "report_page"]

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
WIDTH, HEIGHT, SCALE = 944, 1160, 1.5  # of the report's opening, in pixels of a page
GALLERY: Final = (400, 280)  # pixels of each figure of the gallery, of which three stand side by side


def report_page(record: Path, file: Path) -> None:
    """A photograph of the top of the report of ``record``."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("docs/report.png needs Chromium: install it, or name the other pictures")
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "taken.png"
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
        ]
        size = [f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}"]
        page = (record / "report" / "index.html").resolve().as_uri()
        subprocess.run([chromium, *flags, *size, f"--screenshot={taken}", page], check=True, capture_output=True)
        _save(Image.open(taken), file)


def gallery(record: Path, file: Path) -> None:
    """What the lines below the picture in docs/figures.md draw of ``record`` and its report, three side by side."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from analysis import Record

    page = (DOCS / "figures.md").read_text(encoding="utf-8").partition("## Redrawn with seaborn")[2]
    names: dict[str, Any] = {"record": Record.load(record)}
    zoom = shlex.split(re.findall(r"`stepscape (zoom [^`]*--out zoom)`", page)[0])
    drawn = []
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("results").mkdir()
        Path("results/quick").symlink_to(record.resolve())
        subprocess.run(
            [sys.executable, "-m", "benchmarks", *zoom], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
            exec(compile(block, "figures.md", "exec"), names)  # the page's own lines, as its readers run them
            if plt.get_fignums():
                kept = io.BytesIO()
                plt.gcf().savefig(kept, dpi=110, bbox_inches="tight")
                plt.close("all")
                drawn.append(Image.open(kept).convert("RGB"))
    across, down = GALLERY
    sheet = Image.new("RGB", (3 * across, -(-len(drawn) // 3) * down), "white")
    for place, figure in enumerate(drawn):
        figure.thumbnail((across - 10, down - 10), Image.Resampling.LANCZOS)
        sheet.paste(figure, (place % 3 * across + 5, place // 3 * down + 5))
    _save(sheet, file)


def zoomed(record: Path, file: Path) -> None:
    """The zoom that docs/zoom.md shows, by its command."""
    command = next(line for line in (DOCS / "zoom.md").read_text(encoding="utf-8").splitlines() if "--at 0.002" in line)
    with tempfile.TemporaryDirectory() as folder:
        words = [*shlex.split(command.partition("stepscape ")[2], comments=True), "--out", folder]
        subprocess.run([sys.executable, "-m", "benchmarks", *words], check=True, cwd=ROOT)
        _save(Image.open(Path(folder) / "zoom.png"), file)


def finding(record: Path, file: Path) -> None:
    """The figure of one finding of docs/findings.md, of the record that comes with the suite."""
    file.write_bytes(_findings()[file.stem])


@cache
def _findings() -> Mapping[str, bytes]:
    """The figure of every finding, by name."""
    from findings import found

    from analysis.figures.style import png
    from analysis.record.cells import Record
    from benchmarks.record.archive import opened

    return {each.name: png(each.draw()) for each in found(Record.load(opened("atlas:family")))}


def _save(picture: Image.Image, file: Path) -> None:
    """Write a PNG of 256 colours: a third of the size, and no difference is seen in text and figures."""
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def _by(script: str, *arguments: str) -> Callable[[Path, Path], None]:
    """A maker that runs a script beside this one, which writes its picture where its page shows it."""

    def make(record: Path, file: Path) -> None:
        subprocess.run([sys.executable, str(Path(__file__).with_name(script)), *arguments], check=True, cwd=ROOT)

    return make


MAKERS: Final[Mapping[str, Callable[[Path, Path], None]]] = {
    "report.png": report_page,
    "figures.png": gallery,
    "scale.svg": _by("scale_page.py", "atlas:league", "--budget", "--write"),
    "scaling.svg": _by("speed_page.py", "scaling"),
    "zoom.png": zoomed,
    **{f"findings/{path.name}": finding for path in sorted((DOCS / "findings").glob("*.png"))},
}
"""What makes each picture below docs/, given a record and the file."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pictures that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help=f"{', '.join(MAKERS)} (default: all)")
    parser.add_argument("--record", type=Path, default=ROOT / "results" / "quick", help="default: results/quick")
    parser.add_argument("--to", type=Path, default=DOCS, help="where report.png and figures.png go (default: docs)")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.pictures) - set(MAKERS):
        parser.error(f"no such picture: {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}")
    for name in asked.pictures or MAKERS:
        print(f"{asked.to / name} ...", flush=True)
        MAKERS[name](asked.record, asked.to / name)


if __name__ == "__main__":
    main()

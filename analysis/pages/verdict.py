"""The opening of a report: the answer in a sentence, every result in one table, and where it all comes from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.colors import to_hex

from analysis.figures.overview import Ratios, share_colors
from analysis.figures.style import luminance
from analysis.measures.ranking import Ranking
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record
from analysis.statistics.bootstrap import ALPHA
from analysis.words import listing, named_first, number

__all__ = ["Field", "Row", "Verdict", "by_spread", "verdict_of"]

MOST_COLUMNS: Final = 10
"""Optimizers up to which they are the columns of the table; more run down the page."""

MOST_ROWS: Final = 30
"""Rows of the table that stand there at once; the rest is folded."""

MIDDLE: Final = 0.179
"""The luminance at which black and white stand out from a ground alike, 4.6 to 1."""


@dataclass(frozen=True)
class Field:
    """A field of the table, of the optimizer ``label``: its ``text``, what it says when asked, and how it looks.

    It leads to ``anchor``.
    """

    label: str
    text: str
    says: str
    anchor: str
    background: str
    ink: str
    best: bool
    tied: bool


@dataclass(frozen=True)
class Row:
    """A row of the table; ``anchor`` is that of a problem, empty for an optimizer; ``why`` there is nobody best.

    Where an ``all_tied`` problem tells nobody apart, that is said once, and not in its fields.
    """

    name: str
    anchor: str
    fields: tuple[Field, ...]
    why: str = ""
    all_tied: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a page opens with.

    ``columns`` are the names over the ``rows``, with their anchors (empty: an optimizer) and whether they are of a
    problem that tells nobody apart; ``rest`` are the rows that are folded; ``order`` is that of the problems on the
    page; ``provenance`` says when and by what the record was made;
    ``cite`` is how to cite the record, ``bibtex`` the same for a bibliography.
    """

    sentence: str
    columns: tuple[tuple[str, str, bool], ...]
    rows: tuple[Row, ...]
    rest: tuple[Row, ...]
    order: tuple[str, ...]
    provenance: str
    commit: str
    cite: str
    bibtex: str


def verdict_of(
    record: Record,
    results: Mapping[str, ProblemResults],
    ratios: Ratios,
    ranking: Ranking | None,
    anchors: Mapping[str, str],
) -> Verdict:
    """The opening of the report of ``record``.

    ``ranking`` is that across its problems, None where there is none; ``anchors`` are those of its problems.
    """
    labels = _by_rank(ratios.labels, ranking, ratios)
    problems = [problem for problem in by_spread(ratios) if problem in results]
    table = [_row(results[problem], anchors[problem], labels, ratios) for problem in problems]
    columns = tuple((label, "", False) for label in labels)
    if len(labels) > MOST_COLUMNS and len(labels) > len(problems):
        columns = tuple((row.name, row.anchor, row.all_tied) for row in table)
        table = [Row(label, "", tuple(row.fields[at] for row in table)) for at, label in enumerate(labels)]
    version = str((record.environment.get("packages") or {}).get("stepscape", ""))
    commit = str(record.environment.get("git_commit") or "")
    source = ", ".join(
        part for part in (f"Stepscape {version}".strip(), f"commit {commit[:12]}" if commit else "") if part
    )
    date = str(record.environment.get("date") or "")
    told = (f"Begun {date}" if date else "", source, f"fingerprint {_fingerprint(record)}")
    return Verdict(
        sentence=verdict_sentence(list(results.values()), ranking),
        columns=columns,
        rows=tuple(table[:MOST_ROWS]),
        rest=tuple(table[MOST_ROWS:]),
        order=tuple(problems),
        provenance=" · ".join(part for part in told if part),
        commit=commit,
        cite=f"Suite “{record.name}”, run with {source}.",
        bibtex=f"@misc{{stepscape-{_key(record.name)},\n  title = {{Suite {record.name}}},\n"
        f"  howpublished = {{run with {source}}}\n}}",
    )


def _fingerprint(record: Record) -> str:
    """12 hex digits that name what was measured, the same whenever it is run again: of every cell its problem's and its
    optimizer's fingerprint and its protocol.
    """
    cells = sorted(
        (cell.name, cell.info.problem.fingerprint, cell.info.optimizer.fingerprint, str(cell.info.protocol.to_json()))
        for cell in record.cells
    )
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:12]


def by_spread(ratios: Ratios) -> list[str]:
    """The problems, those first on which the optimizers end furthest apart: what is surprising; all tied come last.

    How far is the share of the best progress that the optimizer in the middle lacks, of those that are told from it.
    """

    def spread(row: int) -> float:
        shares = np.where(np.isinf(ratios.values[row]), 0.0, ratios.shares[row])
        apart = shares[np.isfinite(shares) & ~ratios.tied[row] & ~(shares == 1)]
        return float(1 - np.median(apart)) if apart.size else 0.0

    order = sorted(range(len(ratios.problems)), key=lambda row: -spread(row))
    return [ratios.problems[row] for row in order]


def verdict_sentence(results: Sequence[ProblemResults], ranking: Ranking | None) -> str:
    """Who is best, in one sentence: over the problems where they can be ranked, else where each of them is lowest."""
    judged = [one for one in results if one.best]
    if not judged:
        return (
            "Nothing here was tuned: the landscapes say which settings work."
            if not any(one.searched for one in results)
            else "No optimizer can be called the best here; the problems below say why."
        )
    if len(results) == 1:
        return _alone(judged[0])
    wins: dict[str, int] = {}
    for one in judged:
        for cell in one.best:
            wins[cell.label] = wins.get(cell.label, 0) + 1
    most = max(wins.values())
    first = listing([label for label, count in wins.items() if count == most])
    alone = list(wins.values()).count(most) == 1
    lowest = f"{first} {'ends' if alone else 'each end'} lowest on {most} of {len(results)} problems"
    if ranking is None or len(ranking.labels) < 2:
        return f"{lowest}."
    order = sorted(range(len(ranking.labels)), key=lambda i: ranking.ranks[i].value)
    best = ranking.labels[order[0]]
    rank = f"mean rank {number(ranking.ranks[order[0]].value, 2)} of {len(order)}"
    behind = [
        ranking.labels[i] for i in order if ranking.ranks[i].value - ranking.ranks[order[0]].value >= ranking.critical
    ]
    if behind and not ranking.p_value > ALPHA:
        return (
            f"{best} ranks best over {ranking.problems} problems ({rank}), significantly before {named_first(behind)}."
        )
    if math.isnan(ranking.p_value):
        return f"{lowest}; {best} has the best {rank}."
    return (
        f"Nobody is told apart as the best: {lowest}, {best} has the best {rank}, and {ranking.problems} problems do "
        f"not tell the {len(order)} apart."
    )


def _alone(one: ProblemResults) -> str:
    """The verdict on a single problem."""
    best, others = listing([cell.label for cell in one.best]), len(one.cells) - len(one.best)
    ends = f"{best} end{'s' if len(one.best) == 1 else ''} lowest on {one.problem.name}"
    if not others or not one.tied:
        return f"{ends}{', told apart from all others' if others else ''}."
    if len(one.tied) == others:
        return f"Nobody is told apart as the best on {one.problem.name}: {best} ends lowest."
    close = named_first([cell.label for cell in one.tied])
    return f"{ends}; {close} {'is' if len(one.tied) == 1 else 'are'} not told apart from it."


def _by_rank(labels: Sequence[str], ranking: Ranking | None, ratios: Ratios) -> list[str]:
    """The optimizers, best first: by mean rank or, where there is none, by their mean share of the progress."""
    if ranking is not None and set(ranking.labels) == set(labels):
        place = {label: rank.value for label, rank in zip(ranking.labels, ranking.ranks, strict=True)}
    else:
        made = np.nan_to_num(np.where(np.isinf(ratios.values), 0.0, ratios.shares))
        place = {label: -float(made[:, at].mean()) for at, label in enumerate(ratios.labels)}
    return sorted(labels, key=lambda label: place[label])


def _row(result: ProblemResults, anchor: str, labels: Sequence[str], ratios: Ratios) -> Row:
    problem, texts = result.problem.name, ratios.texts
    at, all_tied = ratios.problems.index(problem), result.undecided
    fields = []
    for label in labels:
        column = ratios.labels.index(label)
        ratio, share = float(ratios.values[at, column]), float(ratios.shares[at, column])
        share = 0.0 if math.isinf(ratio) else share
        best, tied = ratio == 1 or (math.isnan(ratio) and share == 1), bool(ratios.tied[at, column])
        rgb = share_colors()(share)[:3] if not math.isnan(share) else (0.95, 0.95, 0.95)
        fields.append(
            Field(
                label=label,
                text=str(texts[at, column]),
                says=_says(label, problem, ratio, share, best=best, tied=tied),
                anchor=anchor,
                background=to_hex(rgb),
                ink="#000000" if luminance(rgb) > MIDDLE else "#ffffff",
                best=best,
                tied=tied and not best and not all_tied,
            )
        )
    why = "" if result.best else result.unequal or ("no tuned setting survived" if result.searched else "not tuned")
    return Row(problem, anchor, tuple(fields), why, all_tied)


def _says(label: str, problem: str, ratio: float, share: float, *, best: bool, tied: bool) -> str:
    """A field in words, for who points at it or has it read aloud."""
    if math.isnan(share):
        return f"{label} on {problem}: not compared"
    if math.isinf(ratio):
        return f"{label} on {problem}: the median diverged"
    if best:
        return f"{label} on {problem}: the lowest"
    ends = "" if math.isnan(ratio) else f"ends {number(ratio, 3)} times as high as the best, "
    return f"{label} on {problem}: {ends}{share:.0%} of its progress{', not told apart' if tied else ''}"


def _key(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").lower()

"""What the mirror asks of an MLflow store, whether MLflow's own client writes it or we do, in one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.mlflow_mirror.runs import MirroredRun

__all__ = ["INPUT_TAGS", "PARENT", "SOURCE_TYPE", "Artifact", "Experiment", "NewRun", "Writer"]

PARENT: Final = "mlflow.parentRunId"
"""MLflow's tag by which a run belongs to another."""

SOURCE_TYPE: Final = "stepscape"
"""Where MLflow is told that datasets come from."""

INPUT_TAGS: Final = {"mlflow.data.context": "training"}
"""What MLflow is told of the use that a run made of its dataset."""


@dataclass(frozen=True)
class Artifact:
    """A file that a run keeps, or all that lies in a folder, in the run's ``folder`` ("" for the topmost)."""

    path: Path
    folder: str = ""

    @property
    def files(self) -> Iterator[tuple[Path, str]]:
        """Each file with its path in the run."""
        found = [file for file in self.path.rglob("*") if file.is_file()] if self.path.is_dir() else [self.path]
        top = self.path if self.path.is_dir() else self.path.parent
        yield from ((file, "/".join((*filter(None, (self.folder,)), *file.relative_to(top).parts))) for file in found)


@dataclass(frozen=True)
class NewRun:
    """A run to be written, finished, with the times (``time.time()``) when it ``began`` and ``ended``."""

    content: MirroredRun
    began: float
    ended: float
    artifacts: Sequence[Artifact] = ()


@dataclass(frozen=True)
class Experiment:
    """An experiment of the store: its id, the address of its artifacts, and whether somebody deleted it."""

    id: str
    artifacts: str
    deleted: bool = False


class Writer(ABC):
    """An MLflow store that runs are written to."""

    @abstractmethod
    def experiment(self, name: str) -> Experiment | None:
        """The experiment called ``name``, deleted or not; None where there is none."""

    @abstractmethod
    def new_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> Experiment:
        """Make an experiment that keeps artifacts at the address ``artifacts``, by default where the server does."""

    @abstractmethod
    def restore(self, experiment: Experiment) -> None:
        """Take back that ``experiment`` was deleted."""

    @abstractmethod
    def find(self, experiment: Experiment, tag: str, value: str) -> Mapping[str, bool]:
        """The runs with this ``tag``, by id, and whether each is finished."""

    @abstractmethod
    def tags(self, run: str) -> Mapping[str, str]:
        """The tags of a run."""

    @abstractmethod
    def tags_of(self, experiment: Experiment, tag: str, value: str) -> Mapping[str, Mapping[str, str]]:
        """The tags of the runs with this ``tag``, by their ids."""

    @abstractmethod
    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Give a run these ``tags``, in place of those of the same names."""

    @abstractmethod
    def write(self, experiment: Experiment, run: NewRun, children: Sequence[NewRun] = ()) -> str:
        """Write a run and its children, which name it as their parent; return its id."""

    @abstractmethod
    def add(self, experiment: Experiment, run: str, artifacts: Sequence[Artifact], tags: Mapping[str, str]) -> None:
        """Give a finished run these artifacts, in place of those of the same names, and then these ``tags``."""

    @abstractmethod
    def delete(self, run: str) -> None:
        """Delete a run, as MLflow does: it can be restored in the UI."""

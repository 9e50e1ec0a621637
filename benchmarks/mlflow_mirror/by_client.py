"""A store written by MLflow's own client: a server, a database of any kind, and whatever else MLflow knows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.mlflow_mirror.store import connect, quiet
from benchmarks.mlflow_mirror.writer import INPUT_TAGS, PARENT, SOURCE_TYPE, Artifact, Experiment, NewRun, Writer

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["ByClient"]


class ByClient(Writer):
    """The store at ``uri``. A run is RUNNING there until all of it is written."""

    @quiet()
    def __init__(self, uri: str) -> None:
        self.client = connect(uri)

    @quiet()
    def experiment(self, name: str) -> Experiment | None:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return None
        return Experiment(str(found.experiment_id), str(found.artifact_location), found.lifecycle_stage == "deleted")

    @quiet()
    def new_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> Experiment:
        made = self.client.create_experiment(name, artifact_location=artifacts, tags=dict(tags))
        return Experiment(str(made), artifacts or "")

    @quiet()
    def restore(self, experiment: Experiment) -> None:
        self.client.restore_experiment(experiment.id)

    @quiet()
    def find(self, experiment: Experiment, tag: str, value: str) -> Mapping[str, bool]:
        found = self._search(experiment, tag, value)
        return {str(run.info.run_id): run.info.status == "FINISHED" for run in found}

    @quiet()
    def tags_of(self, experiment: Experiment, tag: str, value: str) -> Mapping[str, Mapping[str, str]]:
        return {str(run.info.run_id): run.data.tags for run in self._search(experiment, tag, value)}

    @quiet()
    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self.client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])

    @quiet()
    def tags(self, run: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self.client.get_run(run).data.tags
        return found

    @quiet()
    def write(self, experiment: Experiment, run: NewRun, children: Sequence[NewRun] = ()) -> str:
        run_id = self._start(experiment, run, {})
        self._upload(run_id, run.artifacts)
        for child in children:
            self._end(self._start(experiment, child, {PARENT: run_id}), child.ended)
        self._end(run_id, run.ended)
        return run_id

    @quiet()
    def add(  # MLflow knows the run's experiment
        self,
        experiment: Experiment,  # noqa: ARG002
        run: str,
        artifacts: Sequence[Artifact],
        tags: Mapping[str, str],
    ) -> None:
        self._upload(run, artifacts)
        for name, value in tags.items():
            self.client.set_tag(run, name, value)
        self._end(run, time.time())

    @quiet()
    def delete(self, run: str) -> None:
        self.client.delete_run(run)

    def _search(self, experiment: Experiment, tag: str, value: str) -> Sequence[Run]:
        where = f"tags.`{tag}` = '{value}'"
        found: Sequence[Run] = self.client.search_runs([experiment.id], where, max_results=50_000)  # MLflow's most
        return found

    def _start(self, experiment: Experiment, run: NewRun, tags: Mapping[str, str]) -> str:
        """Write what a run says; the caller ends it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        content, began = run.content, int(run.began * 1000)
        made = self.client.create_run(experiment.id, began, {**content.tags, **tags}, content.name)
        metrics = [Metric(key, value, began, step) for key, value, step in content.points]
        params = [Param(key, value) for key, value in content.params.items()]
        self.client.log_batch(made.info.run_id, metrics=metrics, params=params)
        if (of := content.dataset) is not None:
            dataset = Dataset(of.name, of.digest, SOURCE_TYPE, of.source, profile=of.profile)
            tags_of_input = [InputTag(name, value) for name, value in INPUT_TAGS.items()]
            self.client.log_inputs(made.info.run_id, [DatasetInput(dataset, tags_of_input)])
        return str(made.info.run_id)

    def _upload(self, run: str, artifacts: Sequence[Artifact]) -> None:
        for artifact in artifacts:
            send = self.client.log_artifacts if artifact.path.is_dir() else self.client.log_artifact
            send(run, str(artifact.path), artifact.folder or None)

    def _end(self, run: str, ended: float) -> None:
        self.client.set_terminated(run, end_time=int(ended * 1000))

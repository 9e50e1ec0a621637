"""Many finished trials into an Optuna study at once: Optuna itself asks a database some thirty times a trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

__all__ = ["add_trials"]


def add_trials(
    study: optuna.Study, storage: optuna.storages.BaseStorage, trials: Sequence[optuna.trial.FrozenTrial]
) -> None:
    """Add the finished ``trials`` to the new, empty ``study`` of ``storage``, as ``study.add_trials`` would.

    A database gets them in one transaction, through Optuna's own description of its tables; other storages one by one.
    """
    import optuna

    if isinstance(storage, optuna.storages.RDBStorage):
        _insert(study, storage, trials)
    else:
        study.add_trials(trials)


def _insert(
    study: optuna.Study, storage: optuna.storages.RDBStorage, trials: Sequence[optuna.trial.FrozenTrial]
) -> None:
    from optuna.storages._rdb import models
    from sqlalchemy import insert
    from sqlalchemy.orm import Session

    with Session(storage.engine) as session, session.begin():
        rows = [
            models.TrialModel(
                study_id=study._study_id,
                number=number,
                state=trial.state,
                datetime_start=trial.datetime_start,
                datetime_complete=trial.datetime_complete,
            )
            for number, trial in enumerate(trials)
        ]
        session.add_all(rows)
        session.flush()  # gives every trial its id
        known = [(int(row.trial_id), trial) for row, trial in zip(rows, trials, strict=True)]
        for table, content in (
            (models.TrialValueModel, [row for each in known for row in _values(*each)]),
            (models.TrialParamModel, [row for each in known for row in _parameters(*each)]),
            (models.TrialUserAttributeModel, [row for each in known for row in _attributes(*each)]),
            (models.TrialIntermediateValueModel, [row for each in known for row in _reports(*each)]),
        ):
            if content:
                session.execute(insert(table.__table__), content)


def _values(trial_id: int, trial: optuna.trial.FrozenTrial) -> list[dict[str, Any]]:
    from optuna.storages._rdb.models import TrialValueModel

    rows = []
    for objective, told in enumerate(trial.values or ()):
        value, kind = TrialValueModel.value_to_stored_repr(told)
        rows.append({"trial_id": trial_id, "objective": objective, "value": value, "value_type": kind})
    return rows


def _parameters(trial_id: int, trial: optuna.trial.FrozenTrial) -> list[dict[str, Any]]:
    from optuna.distributions import distribution_to_json

    return [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": trial.distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(trial.distributions[name]),
        }
        for name, value in trial.params.items()
    ]


def _attributes(trial_id: int, trial: optuna.trial.FrozenTrial) -> list[dict[str, Any]]:
    return [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in trial.user_attrs.items()
    ]


def _reports(trial_id: int, trial: optuna.trial.FrozenTrial) -> list[dict[str, Any]]:
    from optuna.storages._rdb.models import TrialIntermediateValueModel

    rows = []
    for step, reported in trial.intermediate_values.items():
        value, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(reported)
        row = {"trial_id": trial_id, "step": step, "intermediate_value": value, "intermediate_value_type": kind}
        rows.append(row)
    return rows

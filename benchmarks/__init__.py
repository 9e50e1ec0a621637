"""The harness: registries, the lanes engine, Optuna studies, landscapes, the record, MLflow and the command line."""

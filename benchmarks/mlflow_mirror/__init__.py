"""The mirror: finished cells and reports copied into MLflow, fetched from it, and shown in its UI."""

"""Names: the registries, plug-ins, and how optimizers, problems and schedules are written."""

"""Writing the record: the results folder, its lock, its checkpoints and what lands in it."""

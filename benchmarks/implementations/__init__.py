"""What implementations of optimizers do: where two part, and why; how settings are written in other frameworks."""

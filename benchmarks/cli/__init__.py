"""The command line."""

from benchmarks.cli.main import main

__all__ = ["main"]

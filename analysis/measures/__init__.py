"""Measures: what the runs of a record say, as numbers with their intervals."""

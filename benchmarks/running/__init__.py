"""Running a suite: its cells and exhibits as jobs, in parallel, each landing by one rename."""

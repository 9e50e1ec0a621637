"""Statistics of shaped arrays: medians, means and their intervals."""

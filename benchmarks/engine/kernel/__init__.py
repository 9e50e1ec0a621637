"""The compiled engine: one step of one lane, traced, as C on vectors of lanes."""

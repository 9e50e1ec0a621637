"""The engine: thousands of runs trained as one tensor program, and foreign optimizers lane by lane."""

"""Tuning: Optuna studies asked by blocks, their samplers, objectives and pruning; landscapes and replays."""

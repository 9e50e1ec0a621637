"""Exhibits: questions a suite answers besides its cells, each by its own small experiment. Registry of ours."""

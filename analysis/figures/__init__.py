"""Figures: how they look, and how each is drawn from data that another room computed. Drawing only."""

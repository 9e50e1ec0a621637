"""The record: what every file of a results folder holds, and how to read it."""

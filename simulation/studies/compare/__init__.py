"""Comparison of runs: their sides, differences with intervals, and a verdict for each."""

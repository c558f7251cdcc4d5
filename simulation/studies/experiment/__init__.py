"""Experiments: the same scenario under several conditions, over seeds, measured by registered metrics."""

"""Watching a run while it lasts, in a browser or a terminal: `society watch`. Reads the run's event log only."""

"""`society view`: a run on a live page or in the terminal, read from its event log only."""

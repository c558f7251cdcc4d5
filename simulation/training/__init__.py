"""Training in company: play, credit, update, a new version, play again. A training is a folder of runs and a ledger."""

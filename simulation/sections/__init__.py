"""The larger sections of a scenario file: inference and training."""

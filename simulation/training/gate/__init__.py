"""The gate: a new version is promoted where it is better than the last promoted one, and worse with no stranger."""

"""Fingerprints: what each model of a roster does in every situation."""

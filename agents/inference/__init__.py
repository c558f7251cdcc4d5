"""Generating texts: the client, its tiers, their records and provenance."""

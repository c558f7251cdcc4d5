"""Populations: what focal models earn among background players."""

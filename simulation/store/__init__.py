"""A run on disk, written: the event log, the prompts, the manifest, the lock, and migrations of older versions.

May import the top-level files of `simulation` and `agents`.
"""

"""A run on disk, read: its tables, the tables of many runs, and decision points played again.

May import the top-level files, `games` and `store`.
"""

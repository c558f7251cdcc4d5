"""What helps to write files: drafts of rosters and scenarios, their check, JSON Schemas, pictures, the games' pages.

May import `agents`, `games` and the top-level files of `simulation`; `files` also uses `store.files` to write a file
and `runs.sweep` to count the runs of a sweep.
"""

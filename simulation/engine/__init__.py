"""One step of a society in OASIS: the environment, the episode, the platform. The only room that imports OASIS.

May import the top-level files, `games` and `store`.
"""

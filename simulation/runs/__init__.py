"""Playing scenarios: a run, its resume and replay, sets of runs, sweeps and the workers that play them.

May import `engine`, `store` and `tables`.
"""

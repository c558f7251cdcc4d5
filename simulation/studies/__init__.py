"""Studies: questions that several runs answer together, such as an effect, a comparison or a tournament.

May import `runs`, `metrics` and `tables`.
"""

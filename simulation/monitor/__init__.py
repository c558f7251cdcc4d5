"""What follows a run while it goes on: the terminal's progress, Prometheus metrics, OpenTelemetry spans.

Everything here reads a run's events (and, for the table at the end, its tables) and changes nothing.

May import `agents`, the top-level files of `simulation`, `store`, `tables` and `studies`.
"""

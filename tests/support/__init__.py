"""What several test packages and benchmarks share: scripted servers, faults, child processes, checks of runs."""

"""A real vLLM on the CPU for the tests: its installation, a tiny base with adapters, and running servers."""

"""A real vLLM on the CPU for the tests: installation, a tiny base with adapters, running servers."""

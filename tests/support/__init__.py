"""What several test packages and benchmarks share: servers that behave, and misbehave, on command."""

"""Starting vLLM for a roster, and loading adapters while it runs."""

"""The server tiers: endpoints, their slots, and the API of vLLM servers."""

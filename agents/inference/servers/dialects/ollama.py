"""Ollama: an adapter is a model of its own without a `parent`; a name without a tag means its `:latest`."""

from agents.inference.servers.dialects.constraints import RESPONSE_FORMAT
from agents.inference.servers.dialects.dialect import ListedKind

OLLAMA = ListedKind("ollama", frozenset({"library"}), (RESPONSE_FORMAT,))

"""llama.cpp: names are paths, any name is answered, and its adapters apply to every request."""

from agents.inference.servers.dialects.constraints import GRAMMAR, RESPONSE_FORMAT
from agents.inference.servers.dialects.dialect import ListedKind

LLAMA_CPP = ListedKind("llama.cpp", frozenset({"llamacpp"}), (GRAMMAR, RESPONSE_FORMAT))

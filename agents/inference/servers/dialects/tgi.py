"""Text Generation Inference: a `response_format` of its own; replies may name the base in place of the adapter."""

from agents.inference.servers.dialects.constraints import RESPONSE_FORMAT, TGI_REGEX
from agents.inference.servers.dialects.dialect import ListedKind

TGI = ListedKind("tgi", frozenset({"huggingface", "tgi", "text-generation-inference"}), (TGI_REGEX, RESPONSE_FORMAT))

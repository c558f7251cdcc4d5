"""SGLang: an adapter is asked for as `base:adapter`; under its plain name some versions answer with the base."""

from agents.inference.servers.dialects.constraints import REGEX, RESPONSE_FORMAT
from agents.inference.servers.dialects.dialect import ListedKind

SGLANG = ListedKind("sglang", frozenset({"sglang"}), (REGEX, RESPONSE_FORMAT))

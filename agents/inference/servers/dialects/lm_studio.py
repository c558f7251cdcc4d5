"""LM Studio: models without a `parent`; choices by `response_format` only."""

from agents.inference.servers.dialects.constraints import RESPONSE_FORMAT
from agents.inference.servers.dialects.dialect import ListedKind

LM_STUDIO = ListedKind("lm_studio", frozenset({"organization_owner"}), (RESPONSE_FORMAT,))

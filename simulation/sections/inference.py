"""The `inference` section of a scenario file: where replies come from and how they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from agents.deliberation import UNSET, DecideMode, Deliberation, ThinkingSetting
from agents.file_model import FileModel, Flag, Real, Text, Whole, word_or_structure
from agents.findings import refuse
from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.provenance import FALLBACK_ORDER, Sampling, Tier
from agents.inference.servers.balancing import Balancing
from simulation.scenario_rules import inference_findings

if TYPE_CHECKING:
    FallbackTier = Tier
else:
    FallbackTier = Literal[FALLBACK_ORDER]  # `scripted` and `human` are never used as fallbacks


class EndpointConfig(FileModel):
    """One server with its settings."""

    url: Text
    """An http(s) URL that ends in /v1."""
    api_key_env: Text | None = None
    """The environment variable that holds the server's API key, or its name in the system's keyring; no file holds the
    key itself."""
    adapters: tuple[Text, ...] | None = None
    """The adapters it is asked for; null is all that it serves."""
    names: dict[Text, Text] = Field(default_factory=dict)
    """Adapter: the name that this server has for it, where that is not the roster's: `{negotiator: org/neg-v3}`."""
    reply_names: dict[Text, Text] = Field(default_factory=dict)
    """Adapter: the name that this server's replies have for it, where that is not the one asked for."""


EndpointSetting = Annotated[
    Annotated[str, Tag("<word>")] | Annotated[EndpointConfig, Tag("<structure>")], Discriminator(word_or_structure)
]


class InferenceConfig(FileModel):
    """Where replies come from and how they are drawn."""

    endpoints: tuple[EndpointSetting, ...] = Field(default=("http://localhost:8001/v1",), min_length=1)
    """The servers: http(s) URLs that end in /v1, or `{url: ..., api_key_env: KEY}`."""
    tiers: tuple[FallbackTier, ...] = Field(default=FALLBACK_ORDER, min_length=1)
    """The tiers that may answer, tried in this order."""
    require: FallbackTier | None = None
    """The run stops rather than fall back below this tier."""
    max_tokens: Whole = Field(default=64, ge=1, le=4096)
    """The longest reply, in tokens."""
    temperature: Real = Field(default=0.7, ge=0, le=2)
    """0 is greedy."""
    top_p: Real = Field(default=1.0, gt=0, le=1)
    """The probability mass that is sampled from."""
    thinking: ThinkingSetting | None = None
    """Whether models think before they answer: on, off, or `{budget: 512}` for the longest thought in tokens; null
    leaves it to the chat template. A thought is in the column `reasoning` and in no message."""
    decide: DecideMode = DecideMode.DIRECT
    """How models decide: direct, or reasoned, after a short private note that nobody else reads."""
    timeout: Real = Field(default=60.0, gt=0)
    """Seconds for one attempt, once it is sent."""
    deadline: Real = Field(default=300.0, gt=0)
    """Seconds for all attempts of a call at servers, waits included; then it falls back to the next tier."""
    retries: Whole = Field(default=2, ge=0)
    """Attempts after every server was tried once."""
    concurrency: Whole = Field(default=64, ge=1)
    """Calls in flight at a time at each server, at most: it adapts to what the server takes."""
    balancing: Balancing = Balancing.LEAST_PENDING
    """The policy by which one of several servers takes a call."""
    replicas: Whole = Field(default=2, ge=1)
    """adapter_affinity: the number of servers an adapter is kept to."""
    trust_env: Flag = False
    """Ask servers through the proxies that the environment names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)."""
    embedded_model: Text | None = None
    """The embedded tier's base model: a folder, or a name at the Hugging Face hub; null is SmolLM2-135M-Instruct."""

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> InferenceConfig:
        refuse(inference_findings(self.model_dump(mode="json")))
        return self

    def settings(self) -> InferenceSettings:
        """Return how the client may behave."""
        return InferenceSettings(
            tiers=self.tiers,
            require=self.require,
            timeout=self.timeout,
            deadline=self.deadline,
            retries=self.retries,
            concurrency=self.concurrency,
            balancing=self.balancing,
            replicas=self.replicas,
            trust_env=self.trust_env,
            embedded_model=self.embedded_model,
        )

    def servers(self) -> tuple[EndpointSettings, ...]:
        """Return the endpoints in the client's form."""
        return tuple(
            EndpointSettings(each) if isinstance(each, str) else EndpointSettings(**each.model_dump())
            for each in self.endpoints
        )

    def sampling(self) -> Sampling:
        """Return how a reply is drawn if a roster row says nothing else."""
        return Sampling(self.temperature, self.top_p, self.max_tokens)

    def deliberation(self) -> Deliberation:
        """Return how replies are thought over if a roster row says nothing else."""
        return UNSET.with_settings(self.thinking, self.decide)

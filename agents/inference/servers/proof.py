"""What probing found about one server: how it must be asked, and what is proved of the models behind its names. Pure.

| proof   | what it says                                                                                        |
|---------|-----------------------------------------------------------------------------------------------------|
| canary  | the adapter's replies at temperature 0 are not the base's                                           |
| listed  | the server lists the adapter on its base and refuses a name nobody has; the replies were not compared |
| nothing | neither: a reply's model name is the only sign of the adapter                                       |
| base    | the adapter's replies are the base's: it is not served, or changes nothing                          |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from agents.inference.errors import InferenceError
from agents.inference.servers.dialects import DEFAULT_DIALECT, FREE, Dialect


class Proof(str, Enum):
    """What is known of the adapter behind a name."""

    CANARY = "canary"
    LISTED = "listed"
    NOTHING = "nothing"
    BASE = "base"


class Company(str, Enum):
    """What the base model answers in one batch with adapters, compared with its replies alone."""

    NOT_ASKED = "not asked"
    UNCHANGED = "unchanged"
    CHANGED = "changed"


@dataclass(frozen=True)
class NeededModel:
    """A model that a run asks for.

    Args:
        name: The adapter's name in the roster.
        base_model: The base model that the roster says it has.
        endpoint: The URL of the only server that may answer.
    """

    name: str
    base_model: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True)
class AdapterProof:
    """What is proved of one adapter at one server.

    Args:
        adapter: Its name in the roster.
        proof: What is proved.
        detail: Why, as a text for the user.
        asked_as: The name that the server is asked for.
        constrained: Whether it obeyed a constrained choice; None where it was not asked for one.
        error: Why it did not answer; empty if it did.
        names_other: True where its answers name another model.
    """

    adapter: str
    proof: Proof
    detail: str
    asked_as: str
    constrained: bool | None = None
    error: str = ""
    names_other: bool = False


@dataclass(frozen=True)
class EndpointProbe:
    """What probing found at one server.

    Args:
        url: Its URL.
        dialect: How it must be asked.
        checks_names: Whether it refuses a name nobody has; None where it did not answer.
        adapters: What is proved of each adapter of the run.
        base: The base model's name at this server, where the run asks for it.
        company: What the base answers in one batch with adapters.
        refusals: What the server refuses, in its own words, by what it was asked for.
        error: Why the server could not be probed; empty where it could.
        calls: Requests sent.
    """

    url: str
    dialect: Dialect = DEFAULT_DIALECT
    checks_names: bool | None = None
    adapters: tuple[AdapterProof, ...] = ()
    base: str = ""
    company: Company = Company.NOT_ASKED
    refusals: tuple[tuple[str, str], ...] = ()
    error: str = ""
    calls: int = 0

    @property
    def base_refused(self) -> str:
        """Return why the base is not asked here beside adapters; empty where it may be."""
        if self.company is not Company.CHANGED:
            return ""
        return (
            f"{self.url} answers for the base model {self.base!r} with an adapter's weights when both are in one batch "
            "(vLLM on CPU gives base rows the last slot's weights), so it is not asked for the base. Leave one slot "
            "empty: start it with --max-loras one above the number of adapters, as society serve --cpu does"
        )

    @property
    def refused(self) -> dict[str, str]:
        """Return why the server is not asked for a model, by the model's name."""
        found = {each.adapter: each.error for each in self.adapters if each.names_other}
        return found | ({self.base: self.base_refused} if self.base_refused else {})

    @property
    def masked(self) -> tuple[AdapterProof, ...]:
        """Return the adapters whose replies are the base's."""
        return tuple(each for each in self.adapters if each.proof is Proof.BASE)

    def record(self) -> dict[str, Any]:
        """Return the findings as plain data, for the manifest."""
        return {
            "dialect": self.dialect.record(),
            "checks_names": self.checks_names,
            "proved": {each.adapter: {"by": each.proof.value, "why": each.detail} for each in self.adapters},
            "asked_as": {each.adapter: each.asked_as for each in self.adapters if each.asked_as != each.adapter},
            "base_beside_adapters": self.company.value,
            "refuses": dict(self.refusals),
            "error": self.error,
            "warnings": list(self.warnings()),
            "calls": self.calls,
        }

    def warnings(self) -> Iterator[str]:
        """Yield what a reader of the run's texts must know, one sentence each."""
        if self.error:
            yield f"{self.url} could not be probed: {self.error}; nothing is proved of the models that it names"
            return
        yield from (f"{self.url}: {each.detail}" for each in self.adapters if each.proof is Proof.BASE)
        yield from (f"{self.url}: {each.detail}" for each in self.adapters if each.proof is Proof.NOTHING)
        if self.base_refused:
            yield self.base_refused
        if self.dialect.probed and self.dialect.constraint is FREE:
            yield (
                f"{self.url} obeys no constraint on replies, so decisions are free text and some may be invalid; serve "
                "the model with vLLM, SGLang, llama.cpp, Ollama or LM Studio for constrained decisions"
            )
        if self.dialect.tools is False:
            yield f"{self.url} answers without a tool call where one is required, so social acts are invalid"


class UnprovedError(InferenceError):
    """A server answers for a model with another one."""


def refuse_unproved(probes: Sequence[EndpointProbe]) -> None:
    """Check that no server answers for a model with another one.

    Raises:
        UnprovedError: One does.
    """
    causes = [each.detail for probe in probes for each in probe.masked]
    causes += [cause for probe in probes for cause in probe.refused.values()]
    if causes:
        raise UnprovedError(f"a server tier is required, and {'; '.join(dict.fromkeys(causes))}")


def stored_warnings(probes: Mapping[str, Any]) -> list[str]:
    """Return the warnings of a manifest's `probes`: those of `EndpointProbe.warnings`, as the run stored them."""
    return [text for probe in probes.values() for text in probe.get("warnings", ())]

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

_SHOWN = 20


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
        thinking: Whether the run tells its chat template to think, or not to.
    """

    name: str
    base_model: str | None = None
    endpoint: str | None = None
    thinking: bool = False


@dataclass(frozen=True)
class AdapterProof:
    """What is proved of one adapter at one server.

    Args:
        adapter: Its name in the roster.
        proof: What is proved.
        why: The reason, as a text for the user.
        asked_as: The name that the server is asked for.
        replied_as: The other model that the server's answers name; empty where they name this one.
        error: Why it did not answer; empty if it did.
        constrained: Whether it obeyed a constrained choice; None where it was not asked for one.
        tools: Whether it called a tool that it had to call; None where it was not asked to.
    """

    adapter: str
    proof: Proof
    why: str
    asked_as: str
    replied_as: str = ""
    error: str = ""
    constrained: bool | None = None
    tools: bool | None = None


@dataclass(frozen=True)
class EndpointProbe:
    """What probing found at one server.

    Args:
        url: Its URL.
        dialect: How it must be asked.
        checks_names: Whether it refuses a name nobody has; None where it did not answer.
        adapters: What is proved of each adapter of the run.
        base: The base model's name in the roster, where the run asks this server for it.
        company: What the base answers in one batch with adapters.
        refusals: What the server refuses, in its own words, by what it was asked for.
        error: Why the server's dialect could not be found; empty where it could.
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
    def refused(self) -> dict[str, str]:
        """Return why the server is not asked for a model, by the model's name."""
        renamed = self._renamed()
        found = {each.adapter: renamed for each in self.adapters if each.replied_as}
        return found | ({self.base: self._mixed()} if self.company is Company.CHANGED else {})

    @property
    def masked(self) -> str:
        """Return which adapters answer as their base model does; empty where none does."""
        return self._said(Proof.BASE, "answers every prompt as", "answer every prompt as", _NOT_SERVED)

    def record(self) -> dict[str, Any]:
        """Return the findings as plain data, for the manifest."""
        return {
            "dialect": self.dialect.record(),
            "checks_names": self.checks_names,
            "proved": {each.adapter: {"by": each.proof.value, "why": each.why} for each in self.adapters},
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
            yield f"{self.url} could not be probed: {self.error}"
        unproved = self._said(Proof.NOTHING, "is not proved:", "are not proved:", "")
        yield from filter(None, (self.masked, unproved, *dict.fromkeys(self.refused.values())))
        if self.dialect.probed and self.dialect.constraint is FREE:
            yield f"{self.url} {NO_CONSTRAINT}"
        if self.dialect.tools is False:
            yield f"{self.url} {NO_TOOLS}"

    def _said(self, proof: Proof, one: str, many: str, then: str) -> str:
        """Return a sentence on the adapters with this proof, by their reasons."""
        reasons: dict[str, list[str]] = {}
        for each in self.adapters:
            if each.proof is proof and not each.replied_as:
                reasons.setdefault(each.why, []).append(each.adapter)
        parts = [f"{_adapters(names)} {many if len(names) > 1 else one} {why}" for why, names in reasons.items()]
        return f"{self.url}: {'; '.join(parts)}{then}" if parts else ""

    def _renamed(self) -> str:
        found = {each.adapter: each.replied_as for each in self.adapters if each.replied_as}
        names = ", ".join(f"{name!r} as {other!r}" for name, other in found.items())
        entries = ", ".join(f"{name}: {other}" for name, other in found.items())
        return (
            f"{self.url} answers under another model's name ({names}), so another model may have answered. If these "
            f"are the server's names for them, say so in the scenario, at this endpoint: reply_names: {{{entries}}}"
        )

    def _mixed(self) -> str:
        return (
            f"{self.url} answers for the base model {self.base!r} with an adapter's weights when both are in one batch "
            "(vLLM on CPU gives base rows the last slot's weights), so it is not asked for the base. Leave one slot "
            "empty: start it with --max-loras one above the number of adapters, as society serve --cpu does"
        )


NO_CONSTRAINT = (
    "obeys no constraint on replies, so decisions are free text and some may be invalid. vLLM, SGLang, llama.cpp, "
    "Ollama and LM Studio obey one"
)
NO_TOOLS = (
    "answers without a tool call where one is required, so social acts are invalid. Start it with tool calls (vLLM: "
    "--enable-auto-tool-choice --tool-call-parser NAME; llama.cpp: --jinja), or serve a model that has them"
)
_NOT_SERVED = (
    ". So what is named is not served there or changes nothing, and the texts in its rows are another model's. Load it "
    "at this server; if it has another name there, say so in the scenario, at this endpoint: names: {ADAPTER: NAME}"
)


def _adapters(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"adapter{'s' if len(names) > 1 else ''} {shown}"


class UnprovedError(InferenceError):
    """A server answers for a model with another one."""

    repeats = True


def refuse_unproved(probes: Sequence[EndpointProbe]) -> None:
    """Check that no server answers for a model with another one.

    Raises:
        UnprovedError: One does.
    """
    causes = [each for probe in probes for each in (probe.masked, *probe.refused.values()) if each]
    if causes:
        raise UnprovedError(f"a server tier is required: {'; '.join(dict.fromkeys(causes))}")


def stored_warnings(probes: Mapping[str, Any]) -> list[str]:
    """Return the warnings of a manifest's `probes`: those of `EndpointProbe.warnings`, as the run stored them."""
    return [text for probe in probes.values() for text in probe.get("warnings", ())]

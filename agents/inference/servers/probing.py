"""Probe a server before a run: how it must be asked, and which of its names are proved to be the adapters.

    round 1   the base model alone, twice on each prompt; a name nobody has
    round 2   each adapter, twice a prompt, until it differs from the base; the base in their company; the dialect

A healthy server takes these two rounds of short replies. `agents.inference.servers.proof` says what follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agents.inference.backend import same_base
from agents.inference.canary import Pair, comparable, differ
from agents.inference.errors import (
    BadReplyError,
    InferenceError,
    OtherModelError,
    PermanentError,
    ServerLostError,
    UnknownAdapterError,
)
from agents.inference.fault import Fault
from agents.inference.loops import gather_or_raise
from agents.inference.servers.asking import CANARY_PROMPTS, Asker
from agents.inference.servers.chat import ChatCalls
from agents.inference.servers.dialect_probe import DialectProbe
from agents.inference.servers.dialects import DEFAULT_DIALECT, Dialect, ServerKind
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.proof import AdapterProof, Company, EndpointProbe, NeededModel, Proof

NOBODY = "society-no-such-model"
"""A name that no server has."""
_PROMPTS = range(len(CANARY_PROMPTS))
_PROVED = {Proof.CANARY: "its replies are not those of {}", Proof.BASE: "{} does"}
_LISTED = "the server lists it and refuses a name nobody has"


@dataclass(frozen=True)
class Probing:
    """What a server is probed for.

    Args:
        kind: What it is known to be.
        needed: The models that the run asks it for.
        tools: Whether the run needs tool calls.
        thorough: Whether every model is asked for a constrained choice, and not only the first.
        seconds: The longest time for one answer.
        concurrency: The most questions at the same time.
    """

    kind: ServerKind
    needed: tuple[NeededModel, ...]
    tools: bool = False
    thorough: bool = False
    seconds: float = 60.0
    concurrency: int = 64


async def probe_endpoint(calls: ChatCalls, endpoint: Endpoint, probing: Probing) -> EndpointProbe:
    """Return what probing finds at a server that listed its models. Never raises an InferenceError."""
    asker = Asker(calls, endpoint, probing.seconds, asyncio.Semaphore(probing.concurrency))
    return await _Probe(asker, probing).found()


def base_of(endpoint: Endpoint, needed: NeededModel) -> str:
    """Return the name under which the server lists a model's base; empty where it lists none, or is asked for it."""
    model, name = endpoint.model_of(needed.name), endpoint.name_of(needed.name)
    if model is not None and model.parent in endpoint.models:
        return model.parent or ""
    if needed.base_model in endpoint.models and needed.base_model != name:
        return needed.base_model or ""
    found = next((each for each in _bases(endpoint) if _is_of(endpoint, each, needed.base_model)), "")
    return found if found != name else ""


def is_base(endpoint: Endpoint, needed: NeededModel) -> bool:
    """Return whether the server lists a needed model as a base."""
    name = endpoint.name_of(needed.name)
    if name not in endpoint.models or endpoint.models[name].parent:
        return False
    has_adapters = any(model.parent == name for model in endpoint.models.values())
    named = [each for each in _bases(endpoint) if needed.base_model and same_base(each, needed.base_model)]
    return has_adapters or (name in named if named else _is_of(endpoint, name, needed.base_model))


def _bases(endpoint: Endpoint) -> Iterator[str]:
    return (model.name for model in endpoint.models.values() if not model.parent)


def _is_of(endpoint: Endpoint, name: str, base_model: str | None) -> bool:
    """Return whether a listed model is the base that a roster names; a tag may take the place of a hyphen."""
    if not base_model:
        return False
    names = (name, name.replace(":", "-"), endpoint.models[name].root)
    return any(each is not None and same_base(each, base_model) for each in names)


@dataclass
class _Probe:
    """The state of probing one server."""

    asker: Asker
    probing: Probing
    references: dict[str, list[Pair]] = field(default_factory=dict)
    checks_names: bool | None = None
    why_no_reference: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.endpoint = self.asker.endpoint
        self.bases = tuple(each for each in self.probing.needed if is_base(self.endpoint, each))
        self.adapters = tuple(each for each in self.probing.needed if each not in self.bases)

    async def found(self) -> EndpointProbe:
        await asyncio.gather(self._ask_nobody(), self._ask_bases())
        proofs, company, (dialects, dialect, error) = await asyncio.gather(
            asyncio.gather(*(self._prove(each) for each in self.adapters)), self._company(), self._dialect()
        )
        if self.probing.thorough and not error:
            proofs = await asyncio.gather(*(self._constrained(each, dialects, dialect) for each in proofs))
        return EndpointProbe(
            url=self.endpoint.url,
            dialect=dialect,
            checks_names=self.checks_names,
            adapters=tuple(proofs),
            base=self.bases[0].name if self.bases else "",
            company=company,
            refusals=tuple(dialects.refusals.items()),
            error=error,
            calls=self.asker.calls,
        )

    # -- references: the base, or what answers under any name ------------------------------------------------

    async def _ask_nobody(self) -> None:
        """Ask for a name nobody has; where it is answered, that reply stands in for a base that is not listed."""
        try:
            await self.asker.canary(NOBODY, CANARY_PROMPTS[0], None)
        except (PermanentError, UnknownAdapterError):
            self.checks_names = True
            return
        except InferenceError as error:
            unsure = isinstance(error, (ServerLostError, BadReplyError)) or getattr(error, "overload", False)
            self.checks_names = None if unsure else True
            return
        self.checks_names = False
        if not all(base_of(self.endpoint, each) for each in self.adapters):
            await self._refer_to(NOBODY, None)

    async def _ask_bases(self) -> None:
        names = dict.fromkeys(base_of(self.endpoint, each) for each in self.adapters)
        await asyncio.gather(*(self._refer_to(name, self._reply_name(name)) for name in names if name))

    async def _refer_to(self, name: str, named: str | None) -> None:
        try:
            self.references[name] = await gather_or_raise(self._pair(name, number, named) for number in _PROMPTS)
        except InferenceError as error:
            self.why_no_reference[name] = str(error)

    async def _pair(self, name: str, number: int, named: str | None) -> Pair:
        prompt = CANARY_PROMPTS[number]
        first, second = await gather_or_raise(self.asker.canary(name, prompt, named) for _ in range(2))
        return first, second

    def _reply_name(self, name: str) -> str:
        return self.endpoint.settings.reply_names.get(name, name)

    # -- proofs ---------------------------------------------------------------------------------------------

    async def _prove(self, needed: NeededModel) -> AdapterProof:
        """Return what is proved of an adapter; under `base:adapter` too, where its own name gives the base's replies"""
        name = self.endpoint.name_of(needed.name)
        proof = await self._prove_as(needed, name)
        model = self.endpoint.model_of(needed.name)
        if proof.proof is Proof.BASE and model is not None and model.parent and model.name == name:
            joined = await self._prove_as(needed, f"{model.parent}:{name}")
            return joined if joined.proof is Proof.CANARY else proof
        return proof

    async def _prove_as(self, needed: NeededModel, name: str) -> AdapterProof:
        base = base_of(self.endpoint, needed) or NOBODY
        named = self.endpoint.settings.reply_names.get(needed.name, name)
        try:
            proof = await self._compared(name, named, self.references.get(base))
        except OtherModelError as error:
            return AdapterProof(needed.name, Proof.NOTHING, str(error), name, error.answered_by, str(error))
        except InferenceError as error:
            return AdapterProof(needed.name, Proof.NOTHING, f"it does not answer: {error}", name, error=str(error))
        if proof is Proof.BASE and base == NOBODY and len(self.endpoint.models) == 1:
            why = "the server has one model, which answers to any name"
            return AdapterProof(needed.name, Proof.NOTHING, why, name)
        if proof is Proof.NOTHING:
            return self._unproved(needed, name, base)
        return AdapterProof(needed.name, proof, _PROVED[proof].format(_shown(base)), name)

    async def _compared(self, name: str, named: str, reference: Sequence[Pair] | None) -> Proof:
        """Return CANARY for replies that differ from the base's, BASE for equal ones, NOTHING if neither is sure."""
        pairs: list[Pair] = []
        for number in _PROMPTS if reference else _PROMPTS[:1]:
            pairs.append(await self._pair(name, number, named))
            if reference and differ(pairs[-1], reference[number]):
                return Proof.CANARY
        sure = any(comparable(*both) for both in zip(pairs, reference or (), strict=False))
        return Proof.BASE if sure else Proof.NOTHING

    def _unproved(self, needed: NeededModel, name: str, base: str) -> AdapterProof:
        """Return the proof of an adapter whose replies cannot be compared."""
        why = self.why_no_reference.get(base, "its base model is not served here")
        if base in self.references:
            why = "at temperature 0 too, the server gives other replies when it is asked again"
        listed = self.endpoint.model_of(needed.name) is not None
        if listed and self.checks_names:
            return AdapterProof(needed.name, Proof.LISTED, f"{_LISTED}; its replies were not compared: {why}", name)
        sign = "the server answers to a name nobody has too"
        if self.checks_names is None:
            sign = "whether the server refuses a name nobody has is not known"
        elif self.checks_names:
            sign = "the server does not list it"
        return AdapterProof(needed.name, Proof.NOTHING, f"{sign}, and replies could not be compared: {why}", name)

    # -- the base in company, and the dialect ------------------------------------------------------------------

    async def _company(self) -> Company:
        """Ask the base while the adapters are asked; a difference on most prompts is one of weights, not of rounding"""
        names = [self.endpoint.name_of(each.name) for each in self.bases]
        name = next((each for each in names if each in self.references), "")
        if not name:
            return Company.NOT_ASKED
        alone = self.references[name]
        try:
            beside = await gather_or_raise(self._pair(name, number, None) for number in _PROMPTS)
        except InferenceError:
            return Company.NOT_ASKED
        if not any(comparable(one, other) for one, other in zip(alone, beside, strict=True)):
            return Company.NOT_ASKED
        changed = [differ(one, other) for one, other in zip(alone, beside, strict=True)]
        return Company.CHANGED if 2 * sum(changed) > len(changed) else Company.UNCHANGED

    async def _dialect(self) -> tuple[DialectProbe, Dialect, str]:
        why = ""
        for each in (*self.adapters, *self.bases):
            probe = DialectProbe(self.asker, self.probing.kind, each.name, thinking=each.thinking)
            try:
                dialect = await probe.find()
                tools = await probe.calls_tool(dialect) if self.probing.tools else None
                return probe, replace(dialect, tools=tools), ""
            except InferenceError as error:
                why = why or str(error)
                if error.fault is not Fault.ADAPTER:  # else another model may answer
                    break
        return probe, DEFAULT_DIALECT, why

    async def _constrained(self, proof: AdapterProof, probe: DialectProbe, dialect: Dialect) -> AdapterProof:
        if proof.error:
            return proof
        try:
            tools = await probe.calls_tool(dialect, proof.adapter) if self.probing.tools else None
            return replace(proof, constrained=await probe.obeys(dialect, proof.adapter), tools=tools)
        except InferenceError as error:
            return replace(proof, constrained=False, error=str(error))


def _shown(base: str) -> str:
    return "a name nobody has" if base == NOBODY else f"the base model {base!r}"


def by_endpoint(endpoint: Endpoint, needed: Sequence[NeededModel]) -> tuple[NeededModel, ...]:
    """Return those of the needed models that an endpoint may be asked for, each name once."""
    here: Mapping[str, NeededModel] = {
        each.name: each
        for each in needed
        if endpoint.serves(each.name, listed=True)
        and endpoint.takes(each.endpoint.rstrip("/") if each.endpoint else None)
    }
    return tuple(here.values())

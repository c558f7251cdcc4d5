"""Find a server's dialect by asking it: a healthy server of a known kind takes one round of questions.

    1. a request as a run makes it (system message, seed, log-probabilities, the first constraint), twice
    2. where that is refused: a plain request, then each part alone
    3. where the constraint is not obeyed: every other one, until one is

The prompts ask for something else than the choices, so only a server that obeys the constraint answers with a choice.
"""

from __future__ import annotations

from dataclasses import replace

from agents.inference.errors import BadReplyError, InferenceError, PermanentError
from agents.inference.loops import gather_or_raise
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request, Sampling
from agents.inference.servers.asking import Asker
from agents.inference.servers.dialects import FREE, Dialect, ServerKind, constraints_of
from agents.inference.servers.dialects.dialect import MAX_COMPLETION_TOKENS, MAX_TOKENS

QUESTIONS = (
    ("Say hello.", ("violet 71", "amber 38")),
    ("Which city is the capital of France? Answer with its name.", ("seven drums", "nine flutes")),
)
"""Prompts, with choices that none of them suggests."""
TOOL_QUESTION = "Write a short post: call the tool create_post."
TOOL = {
    "type": "function",
    "function": {
        "name": "create_post",
        "description": "Write a post that everybody reads.",
        "parameters": {
            "type": "object",
            "properties": {"content": {"type": "string", "description": "The text."}},
            "required": ["content"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
_OUTSIDE = -1  # no episode
_TOOL_TOKENS = 48


class DialectProbe:
    """Finds the dialect of one server.

    Args:
        asker: Asks the server.
        kind: What the server is known to be.
        adapter: The model that is asked.
        thinking: Whether the run tells chat templates to think or not to: questions then ask for no thought.
    """

    def __init__(self, asker: Asker, kind: ServerKind, adapter: str, *, thinking: bool = False) -> None:
        self._asker, self._kind, self._adapter = asker, kind, adapter
        self._thinking = False if thinking else None
        self.refusals: dict[str, str] = {}

    async def find(self) -> Dialect:
        """Return the dialect.

        Raises:
            InferenceError: The server refuses also the plainest request, or does not answer.
        """
        first, *others = constraints_of(self._kind)
        whole = Dialect(self._kind.name, first, probed=True)
        try:
            if await self.obeys(whole):
                return whole
        except PermanentError:
            whole, others = await self._accepted(whole), [first, *others]
        obeyed = await gather_or_raise(self._obeys_quietly(replace(whole, constraint=each)) for each in others)
        found = (each for each, obeys in zip(others, obeyed, strict=True) if obeys)
        return replace(whole, constraint=next(found, FREE))

    async def obeys(self, dialect: Dialect, adapter: str = "") -> bool:
        """Return whether a model answers every question with one of its choices.

        Raises:
            InferenceError: The server refuses the request, or does not answer.
        """
        asked = [self._request(number, adapter or self._adapter) for number in range(len(QUESTIONS))]
        replies = await gather_or_raise(self._text(request, dialect) for request in asked)
        return all(reply in (request.choices or ()) for reply, request in zip(replies, asked, strict=True))

    async def calls_tool(self, dialect: Dialect, adapter: str = "") -> bool:
        """Return whether a model that must call a tool calls it."""
        request = replace(
            self._request(0, adapter or self._adapter),
            messages=(ChatMessage("user", TOOL_QUESTION),),
            choices=None,
            tools=(TOOL,),
            must_use_tool=True,
            sampling=Sampling(temperature=0, max_tokens=_TOOL_TOKENS),
        )
        try:
            completion = await self._asker.complete(request, dialect)
        except (PermanentError, BadReplyError) as error:
            self.refusals["tools"] = str(error)
            return False
        return any(call.name == "create_post" for call in completion.tool_calls)

    async def _accepted(self, whole: Dialect) -> Dialect:
        """Return a dialect of those parts that the server takes, each asked for alone."""
        plain = replace(whole, constraint=FREE, odds=False, seed=False, system=False, thinking=False)
        plain = replace(plain, tokens_field=await self._tokens_field(plain))
        odds, seed, system, thinking = await gather_or_raise(
            (
                self._takes("logprobs", replace(plain, odds=True)),
                self._takes("seed", replace(plain, seed=True)),
                self._takes("system role", replace(plain, system=True)),
                self._takes("chat_template_kwargs", replace(plain, thinking=True)),
            )
        )
        return replace(plain, odds=odds, seed=seed, system=system, thinking=thinking)

    async def _tokens_field(self, plain: Dialect) -> str:
        try:
            await self._text(self._request(0, self._adapter), plain)
        except PermanentError as error:
            await self._text(self._request(0, self._adapter), replace(plain, tokens_field=MAX_COMPLETION_TOKENS))
            self.refusals[MAX_TOKENS] = str(error)
            return MAX_COMPLETION_TOKENS
        return MAX_TOKENS

    async def _takes(self, part: str, dialect: Dialect) -> bool:
        try:
            await self._text(self._request(0, self._adapter), dialect)
        except PermanentError as error:
            self.refusals[part] = str(error)
            return False
        return True

    async def _obeys_quietly(self, dialect: Dialect) -> bool:
        try:
            return await self.obeys(dialect)
        except InferenceError as error:
            self.refusals[dialect.constraint.name] = str(error)
            return False

    async def _text(self, request: Request, dialect: Dialect) -> str | None:
        """Return the reply's text; None where it cannot be read."""
        try:
            return (await self._asker.complete(request, dialect)).text
        except BadReplyError:
            return None

    def _request(self, number: int, adapter: str) -> Request:
        question, choices = QUESTIONS[number]
        return Request(
            key=CallKey(_OUTSIDE, number, "probe", Purpose.DECIDE),
            adapter=adapter,
            messages=(ChatMessage("system", "You are a player in a game."), ChatMessage("user", question)),
            choices=choices,
            sampling=Sampling(temperature=0, max_tokens=8),
            seed=1,
            thinking=self._thinking,
        )

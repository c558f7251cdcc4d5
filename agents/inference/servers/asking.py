"""Single questions to one server, outside of every run: they take no slot, and leave no record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson

from agents.inference.backend import Completion
from agents.inference.canary import CanaryReply
from agents.inference.deadlines import Deadlines
from agents.inference.errors import LOADING_PAUSE, LoadingError, PermanentError, ServerLostError, TransientError
from agents.inference.provenance import Request
from agents.inference.servers.chat import ChatCalls
from agents.inference.servers.dialects.dialect import MAX_COMPLETION_TOKENS, MAX_TOKENS, Dialect
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.loading import asked_again
from agents.inference.servers.wire import chat_body, no_reply, other_model

CANARY_TOKENS = 12
CANARY_PROMPTS = (
    "You find a purse with 100 coins. Say in one sentence what you do.",
    "Two players may share or fight. Write one short message to the other player.",
    "Write the first sentence of a story about a harbour.",
)
_FORMS = ((MAX_TOKENS, True), (MAX_TOKENS, False), (MAX_COMPLETION_TOKENS, False))
"""How a canary prompt may be asked: the field for the longest reply, and whether log-probabilities are asked for."""


class Asker:
    """Asks one server.

    Args:
        calls: Makes the calls.
        endpoint: The server.
        seconds: The longest time for one answer.
        limit: Bounds the questions at the same time.
    """

    def __init__(self, calls: ChatCalls, endpoint: Endpoint, seconds: float, limit: asyncio.Semaphore) -> None:
        self.endpoint = endpoint
        self.calls = 0
        self._chat, self._seconds, self._limit = calls, seconds, limit
        self._forms = list(_FORMS)
        self._alone = asyncio.Lock()

    async def complete(self, request: Request, dialect: Dialect) -> Completion:
        """Return the server's answer to a request in a dialect.

        Raises:
            InferenceError: It gave none.
        """
        name = self.endpoint.name_of(request.adapter)
        payload = await self._post(chat_body(request, dialect, name))
        if isinstance(payload, dict):
            payload["model"] = self.endpoint.reply_name(request.adapter)  # which model answers is another question
        return self.endpoint.read(payload, request, dialect)

    async def canary(self, model: str, prompt: str, named: str | None) -> CanaryReply:
        """Return a model's reply to a prompt at temperature 0.

        Args:
            model: The server's name for it.
            prompt: The prompt.
            named: The name that the answer must have; None for any.

        Raises:
            InferenceError: The server gave none, or names another model.
        """
        messages = [{"role": "user", "content": prompt}]
        for form in tuple(self._forms):
            field, odds = form
            body = {"model": model, "messages": messages, "temperature": 0, field: CANARY_TOKENS}
            try:
                payload = await self._post(body | ({"logprobs": True} if odds else {}))
            except PermanentError:
                if form == self._forms[-1]:
                    raise
                continue
            self._forms = self._forms[self._forms.index(form) :] if form in self._forms else self._forms
            return self._reply(payload, named)
        raise AssertionError("there is a form")

    def _reply(self, payload: Any, named: str | None) -> CanaryReply:
        match payload:
            case {"choices": [{"message": dict(message)} as choice]}:
                if named is not None and payload.get("model", named) != named:
                    raise other_model(self.endpoint.url, payload["model"], named)
                content = message.get("content")
                text = content if isinstance(content, str) else orjson.dumps(message).decode()
                return CanaryReply(text, _tokens(choice.get("logprobs")))
            case _:
                raise no_reply(payload, self.endpoint.url, named or "")

    async def _post(self, body: dict[str, Any]) -> Any:
        """Return the answer; what fails because the server is busy, slow or loading is asked again, one at a time."""
        try:
            return await self._post_once(body)
        except TransientError as error:
            if _pause_after(error) is None:
                raise
        async with self._alone:
            return await asked_again(partial(self._post_once, body), self._seconds, _pause_after)

    async def _post_once(self, body: dict[str, Any]) -> Any:
        endpoint, seconds = self.endpoint, self._seconds
        async with self._limit:
            self.calls += 1
            try:
                with Deadlines().within(seconds):
                    return await self._chat.ask(endpoint, body)
            except asyncio.TimeoutError as error:
                raise ServerLostError(f"{endpoint.url} gave no answer within {seconds:.3g} s", overload=True) from error


def _pause_after(error: TransientError) -> float | None:
    """Return the seconds until a server that is busy, slow or loading is asked again; None for other errors."""
    passes = error.overload or isinstance(error, LoadingError)
    return (error.retry_after or LOADING_PAUSE) if passes else None


def _tokens(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """Return a reply's tokens with their log-probabilities; nothing where one is not in the OpenAI format."""
    given = logprobs.get("content") if isinstance(logprobs, dict) else None
    rows: Sequence[Any] = given if isinstance(given, list) else ()
    found = [
        (row["token"], float(row["logprob"]))
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("token"), str) and type(row.get("logprob")) in (int, float)
    ]
    return tuple(found) if len(found) == len(rows) else ()

"""Replies that exist already: those of the run itself (resumed or replayed), and a cache shared by many runs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import orjson

from agents.inference.errors import InferenceError
from agents.inference.provenance import CallKey, Provenance, Reply, Request, ScoredReply, Tier, ToolCall
from agents.inference.records import prompt_hash
from agents.problems import SocietyError

OUTSIDE_EPISODES = -1
"""The episode number of calls that belong to no run; they are never answered from its recording."""
CACHE_FILE = "replies.sqlite"
_FIX = "remove it, or name another folder"


class RecordingMismatchError(InferenceError):
    """A recorded reply answers another prompt than the one asked now: the run would differ from the recorded one."""


class Recorded(NamedTuple):
    """A reply and the hash of its prompt; None where the hash was not stored."""

    reply: Reply
    prompt_hash: str | None = None


@dataclass(frozen=True)
class Recording:
    """The replies of a run, by moment. With `strict`, every reply must be there, as in a replay."""

    replies: Mapping[CallKey, Recorded] = field(default_factory=dict)
    strict: bool = False

    @cached_property
    def episodes(self) -> frozenset[int]:
        """Return the episodes that have recorded replies."""
        return frozenset(key.episode for key in self.replies)

    def first(self, responder: Callable[[Request], Awaitable[Reply]]) -> Callable[[Request], Awaitable[Reply]]:
        """Return a responder that gives the recorded reply where there is one, as the client does."""

        async def answer(request: Request) -> Reply:
            recorded = self.find(request)
            return await responder(request) if recorded is None else recorded

        return answer

    def find(self, request: Request) -> Reply | None:
        """Return the recorded reply to a request, None without one.

        Raises:
            RecordingMismatchError: The reply answers another prompt, or there is none and the recording is strict.
        """
        if not self.replies and not self.strict:
            return None
        key = request.key
        found = None if key.episode == OUTSIDE_EPISODES else self.replies.get(key)
        if found is not None and found.prompt_hash in (None, prompt_hash(request)):
            return found.reply
        if found is None and not self.strict:
            return None
        if found is None:
            raise RecordingMismatchError(f"{key.place}: the recording has no reply")
        raise RecordingMismatchError(
            f"{key.place}: the recorded reply answers another prompt than this one; the run was made by another "
            "version of the code, the prompts or its files, or its event log was changed"
        )


class ReplyCache:
    """Replies of real models in a folder, by base model and canonical request; many processes may share it.

    `find` and `store` do their work in a thread of the cache's own, in the order of the calls, so an event loop never
    waits for the disk.

    A request that samples without a seed may have many replies; from a cache it always gets the first one. Where an
    adapter's weights are not known, it is known by its name alone: give it a new name after more training.
    """

    def __init__(self, folder: Path) -> None:
        """Open the cache in `folder`, which is made if it is not there. Raises SocietyError if it cannot be used."""
        self._file = folder / CACHE_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._file, timeout=30, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")  # a reply lost in a power cut is asked for again
            self._database.execute("CREATE TABLE IF NOT EXISTS reply (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise SocietyError(f"{self._file} cannot be used as a reply cache: {error}; {_FIX}") from error
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reply-cache")

    async def find(self, request: Request, weights: str = "") -> Reply | None:
        """Return what `get` returns, from an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.get, request, weights)

    async def store(self, request: Request, reply: Reply, weights: str = "") -> None:
        """Do what `put` does, from an event loop."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self.put, request, reply, weights)

    def get(self, request: Request, weights: str = "") -> Reply | None:
        """Return the reply stored for `request`, marked as cached.

        Args:
            request: What is asked.
            weights: What identifies the adapter's weights (`agents.inference.weights`), empty where nothing is known.

        Raises:
            SocietyError: The stored reply cannot be read.
        """
        with self._open() as database:
            row = database.execute("SELECT body FROM reply WHERE key = ?", (cache_key(request, weights),)).fetchone()
        try:
            return read_reply(orjson.loads(row[0]), cached=True) if row else None
        except (KeyError, TypeError, ValueError) as error:
            raise SocietyError(f"{self._file} has a reply that this version cannot read ({error!r}); {_FIX}") from error

    def put(self, request: Request, reply: Reply, weights: str = "") -> None:
        """Store the reply of a real model; the first one to a request stays. `weights` is as in `get`."""
        if reply.provenance.tier.real and not reply.provenance.cached:
            with self._open() as database, database:
                body = orjson.dumps(reply)
                database.execute("INSERT OR IGNORE INTO reply VALUES (?, ?)", (cache_key(request, weights), body))

    def close(self) -> None:
        """Finish what is being stored and close the database."""
        self._thread.shutdown()
        self._database.close()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise SocietyError(f"{self._file} cannot be used: {error}; {_FIX}") from error


def cache_key(request: Request, weights: str = "") -> str:
    """Return the key of a request's reply: base model, weights and canonical hash.

    Adapters of two bases may share a name, and an adapter that was trained on keeps its name.
    """
    known = (weights,) if weights else ()
    return "/".join((request.base_model or "", *known, prompt_hash(request)))


def read_reply(body: dict[str, object], cached: bool | None = None) -> Reply:
    """Return the reply in a JSON body, marked as `cached` if given.

    Raises:
        KeyError, TypeError, ValueError: The body is no reply.
    """
    source = dict(body["provenance"])  # type: ignore[call-overload]
    if "fell_from" in source:  # its name in event logs of schema version 1 and 2, and in caches of that time
        source["fallback_from"] = source.pop("fell_from")
    typed = {"tier": Tier(source["tier"]), "fallback_from": tuple(Tier(tier) for tier in source["fallback_from"])}
    marked = {} if cached is None else {"cached": cached}
    calls = tuple(ToolCall(**call) for call in body.get("tool_calls") or ())  # type: ignore[attr-defined]
    whole = {**body, "provenance": Provenance(**{**source, **typed, **marked}), "tool_calls": calls}
    if "shares" in whole:
        return ScoredReply(**{**whole, "shares": tuple(whole["shares"])})  # type: ignore[arg-type]
    return Reply(**whole)  # type: ignore[arg-type]

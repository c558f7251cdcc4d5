"""Which of several servers takes the next call: one small function for each policy.

| policy           | picks                                                                                     |
|------------------|-------------------------------------------------------------------------------------------|
| random           | any server                                                                                |
| round_robin      | each in turn                                                                              |
| least_pending    | the one with the fewest calls in flight                                                   |
| adapter_affinity | one of the adapter's own few servers, unless these are busier than the rest               |

vLLM keeps its prefix cache per adapter, and a batch that has more adapters than `--max-loras` swaps weights: calls to
one adapter are best sent to the same servers. `adapter_affinity` ranks the servers for each adapter by rendezvous
hashing (Thaler & Ravishankar, IEEE/ACM ToN 6(1), 1998) and picks among the first `replicas` of them, with bounded load
(Mirrokni, Thorup & Zadimoghaddam, SODA 2018): it passes over a server with more than `LOAD_BOUND` times its share of
the calls in flight, and where all of the adapter's own have more, the least busy of all servers takes the call.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol, TypeVar

LOAD_BOUND = 1.25


class Balancing(str, Enum):
    """The policies a scenario may name."""

    RANDOM = "random"
    ROUND_ROBIN = "round_robin"
    LEAST_PENDING = "least_pending"
    ADAPTER_AFFINITY = "adapter_affinity"


class BalancedServer(Protocol):
    """What a policy knows of a server: `pending` calls in flight, and the `credit` of its turns for round robin."""

    pending: int
    credit: int

    @property
    def url(self) -> str:
        """Return the server's URL."""
        ...


S = TypeVar("S", bound=BalancedServer)


def pick(policy: Balancing, servers: Sequence[S], adapter: str, rng: random.Random, replicas: int = 2) -> S:
    """Return the one of `servers` (at least one) that takes the next call to `adapter`."""
    if len(servers) == 1:
        return servers[0]
    if policy is Balancing.ADAPTER_AFFINITY:
        return adapter_affinity(servers, adapter, replicas)
    chosen: S = _POLICIES[policy](servers, rng)
    return chosen


def any_server(servers: Sequence[S], rng: random.Random) -> S:
    """Return one of `servers`, each as likely."""
    return rng.choice(servers)


def round_robin(servers: Sequence[S], _rng: random.Random) -> S:
    """Return the server that is owed the most turns; the candidates may differ from call to call."""
    for server in servers:
        server.credit += 1
    chosen = max(servers, key=lambda server: server.credit)
    chosen.credit -= len(servers)
    return chosen


def least_pending(servers: Sequence[S], rng: random.Random) -> S:
    """Return the least busy server, one of them at random where several are."""
    least = min(server.pending for server in servers)
    return rng.choice([server for server in servers if server.pending == least])


def adapter_affinity(servers: Sequence[S], adapter: str, replicas: int) -> S:
    """Return the first of the adapter's own servers that has no more than its bounded share, else the least busy.

    At least one server has less than its share, so no server is ever given more than the bound.
    """
    own = sorted(servers, key=lambda server: rendezvous(adapter, server.url), reverse=True)[:replicas]
    bound = math.ceil(LOAD_BOUND * (1 + sum(server.pending for server in servers)) / len(servers))
    free = (server for server in own if server.pending < bound)
    return next(free, None) or min(servers, key=lambda server: server.pending)


@lru_cache(maxsize=65536)
def rendezvous(adapter: str, url: str) -> int:
    """Return the rank of a server for an adapter: the same in every process, whichever other servers come and go."""
    return int.from_bytes(hashlib.blake2b(f"{adapter}\0{url}".encode(), digest_size=8).digest(), "big")


_POLICIES: Mapping[Balancing, Callable[..., Any]] = {
    Balancing.RANDOM: any_server,
    Balancing.ROUND_ROBIN: round_robin,
    Balancing.LEAST_PENDING: least_pending,
}

"""Which of several servers takes the next call: one small function a policy.

| policy           | picks                                                                                     |
|------------------|-------------------------------------------------------------------------------------------|
| random           | any, by weight                                                                             |
| round_robin      | each in turn, by weight (nginx's smooth weighted round robin)                              |
| least_pending    | the one with the fewest calls in flight for its weight                                     |
| power_of_two     | the less busy of two drawn at random (Mitzenmacher, IEEE TPDS 12(10), 2001)                |
| adapter_affinity | one of the adapter's own few servers, unless these are busier than the rest               |

vLLM's prefix cache is kept per adapter, and a batch that holds more adapters than `--max-loras` swaps weights: calls to
one adapter are best kept together. `adapter_affinity` ranks the servers for each adapter by weighted rendezvous hashing
(Thaler & Ravishankar, IEEE/ACM ToN 6(1), 1998) and keeps to the first `replicas` of them, with bounded load (Mirrokni,
Thorup & Zadimoghaddam, SODA 2018): a server with more than `LOAD_BOUND` times its share of the calls in flight is
passed over, and where all of the adapter's own have more, the least busy of all takes the call.
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
    RANDOM = "random"
    ROUND_ROBIN = "round_robin"
    LEAST_PENDING = "least_pending"
    POWER_OF_TWO = "power_of_two"
    ADAPTER_AFFINITY = "adapter_affinity"


class BalancedServer(Protocol):
    """What a policy goes by: `pending` calls in flight, `weight` above 0, `credit` for round robin."""

    pending: int
    credit: float

    @property
    def url(self) -> str: ...

    @property
    def weight(self) -> float: ...


S = TypeVar("S", bound=BalancedServer)


def pick(policy: Balancing, servers: Sequence[S], adapter: str, rng: random.Random, replicas: int = 2) -> S:
    """The one of `servers` (at least one) that takes the next call to `adapter`."""
    if len(servers) == 1:
        return servers[0]
    if policy is Balancing.ADAPTER_AFFINITY:
        return adapter_affinity(servers, adapter, replicas)
    chosen: S = _POLICIES[policy](servers, rng)
    return chosen


def any_by_weight(servers: Sequence[S], rng: random.Random) -> S:
    """One of `servers` with a probability that is its share of all weights."""
    return rng.choices(servers, [server.weight for server in servers])[0]


def round_robin(servers: Sequence[S], _rng: random.Random) -> S:
    """The server that is owed the most turns."""
    for server in servers:
        server.credit += server.weight
    chosen = max(servers, key=lambda server: server.credit)
    chosen.credit -= sum(server.weight for server in servers)
    return chosen


def least_pending(servers: Sequence[S], rng: random.Random) -> S:
    """The least busy server, one of them at random where several are."""
    least = min(_load(server) for server in servers)
    return rng.choice([server for server in servers if _load(server) == least])


def power_of_two(servers: Sequence[S], rng: random.Random) -> S:
    """The less busy of two servers drawn at random."""
    return min(rng.sample(servers, 2), key=_load)


def adapter_affinity(servers: Sequence[S], adapter: str, replicas: int) -> S:
    """The first of the adapter's own servers that has no more than its bounded share, else the least busy of all.

    One server at least has less than its share, so no server is ever given more than the bound.
    """
    own = sorted(servers, key=lambda server: rendezvous(adapter, server.url, server.weight), reverse=True)[:replicas]
    share = LOAD_BOUND * (1 + sum(server.pending for server in servers)) / sum(server.weight for server in servers)
    free = (server for server in own if server.pending < math.ceil(share * server.weight))
    return next(free, None) or min(servers, key=_load)


@lru_cache(maxsize=65536)
def rendezvous(adapter: str, url: str, weight: float) -> float:
    """The rank of a server for an adapter: the same in every process, whatever other servers come and go."""
    digest = hashlib.blake2b(f"{adapter}\0{url}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return -weight / math.log(uniform)


def _load(server: BalancedServer) -> float:
    return server.pending / server.weight


_POLICIES: Mapping[Balancing, Callable[..., Any]] = {
    Balancing.RANDOM: any_by_weight,
    Balancing.ROUND_ROBIN: round_robin,
    Balancing.LEAST_PENDING: least_pending,
    Balancing.POWER_OF_TWO: power_of_two,
}

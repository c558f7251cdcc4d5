"""Balancing policies: which servers they pick, in which shares, and that affinity is steady."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.servers.balancing import LOAD_BOUND, Balancing, pick, rendezvous


@dataclass(eq=False)
class FakeServer:
    url: str
    pending: int = 0
    credit: int = 0


SERVERS = st.lists(st.integers(0, 64), min_size=1, max_size=8).map(
    lambda pending: [FakeServer(f"http://s{number}", calls) for number, calls in enumerate(pending)]
)
ADAPTERS = [f"adapter-{number}" for number in range(300)]


def fleet(size: int) -> list[FakeServer]:
    return [FakeServer(f"http://s{number}") for number in range(size)]


@given(servers=SERVERS, policy=st.sampled_from(Balancing), seed=st.integers(0, 99), replicas=st.integers(1, 4))
def test_pick_returns_a_candidate_and_changes_only_credit(
    servers: list[FakeServer], policy: Balancing, seed: int, replicas: int
) -> None:
    before = [(server.url, server.pending) for server in servers]
    chosen = pick(policy, servers, "a", random.Random(seed), replicas)
    assert any(chosen is server for server in servers)
    assert [(server.url, server.pending) for server in servers] == before


class TestShares:
    @given(size=st.integers(2, 6))
    def test_round_robin_takes_each_server_once_a_round(self, size: int) -> None:
        servers, rng = fleet(size), random.Random(1)
        for _ in range(3):
            turns = [pick(Balancing.ROUND_ROBIN, servers, "a", rng).url for _ in range(size)]
            assert turns == [server.url for server in servers]

    def test_round_robin_shares_evenly_when_candidates_change(self) -> None:
        servers, rng, turns = fleet(3), random.Random(1), Counter[str]()
        for number in range(300):
            candidates = [server for place, server in enumerate(servers) if place != number % 3]
            turns[pick(Balancing.ROUND_ROBIN, candidates, "a", rng).url] += 1
        assert max(turns.values()) - min(turns.values()) <= 3

    def test_random_shares_evenly_in_the_long_run(self) -> None:
        servers, rng, calls = fleet(4), random.Random(7), 8000
        turns = Counter(pick(Balancing.RANDOM, servers, "a", rng).url for _ in range(calls))
        expected = calls / len(servers)
        assert all(abs(turns[server.url] - expected) < 4 * math.sqrt(expected) for server in servers)

    @pytest.mark.parametrize("policy", [Balancing.LEAST_PENDING, Balancing.ADAPTER_AFFINITY])
    def test_load_is_shared_evenly(self, policy: Balancing) -> None:
        servers, rng = fleet(4), random.Random(7)
        for number in range(800):
            pick(policy, servers, f"adapter-{number}", rng).pending += 1
        assert max(server.pending for server in servers) <= LOAD_BOUND * 200 + 1


class TestLoad:
    @given(servers=SERVERS)
    def test_least_pending_picks_the_least_busy(self, servers: list[FakeServer]) -> None:
        chosen = pick(Balancing.LEAST_PENDING, servers, "a", random.Random(1))
        assert chosen.pending == min(each.pending for each in servers)

    def test_least_pending_does_not_favour_the_first_of_equals(self) -> None:
        servers, rng = fleet(3), random.Random(1)
        assert len({pick(Balancing.LEAST_PENDING, servers, "a", rng).url for _ in range(50)}) == 3


class TestAdapterAffinity:
    def own(self, adapter: str, servers: list[FakeServer]) -> str:
        return pick(Balancing.ADAPTER_AFFINITY, servers, adapter, random.Random(1)).url

    def test_an_adapter_stays_at_one_server_and_adapters_spread(self) -> None:
        servers = fleet(4)
        homes = Counter(self.own(adapter, servers) for adapter in ADAPTERS)
        assert all(self.own(adapter, servers) == self.own(adapter, servers[::-1]) for adapter in ADAPTERS)
        assert min(homes[server.url] for server in servers) > len(ADAPTERS) / 8

    @given(gone=st.integers(0, 4))
    def test_a_removed_server_moves_only_its_own_adapters(self, gone: int) -> None:
        servers = fleet(5)
        left = [server for number, server in enumerate(servers) if number != gone]
        for adapter in ADAPTERS:
            before = self.own(adapter, servers)
            assert before in (servers[gone].url, self.own(adapter, left))

    def test_an_added_server_moves_no_adapter_between_the_others(self) -> None:
        servers = fleet(3)
        joined = [*servers, FakeServer("http://new")]
        assert all(self.own(a, joined) in ("http://new", self.own(a, servers)) for a in ADAPTERS)

    @given(servers=SERVERS, adapter=st.sampled_from(ADAPTERS), replicas=st.integers(1, 3))
    def test_no_server_is_given_more_than_its_bounded_share(
        self, servers: list[FakeServer], adapter: str, replicas: int
    ) -> None:
        chosen = pick(Balancing.ADAPTER_AFFINITY, servers, adapter, random.Random(1), replicas)
        share = (1 + sum(server.pending for server in servers)) / len(servers)
        if len(servers) > 1:
            assert chosen.pending + 1 <= math.ceil(LOAD_BOUND * share)

    def test_a_single_busy_adapter_is_given_the_whole_fleet(self) -> None:
        servers = fleet(4)
        for _ in range(64):
            pick(Balancing.ADAPTER_AFFINITY, servers, "a", random.Random(1)).pending += 1
        assert max(server.pending for server in servers) <= math.ceil(LOAD_BOUND * 16)

    def test_overflow_goes_to_the_adapters_second_server_first(self) -> None:
        servers = fleet(3)
        ranked = sorted(servers, key=lambda server: rendezvous("a", server.url), reverse=True)
        ranked[0].pending = 9
        assert self.own("a", servers) == ranked[1].url

"""Balancing policies: whom they pick, in what shares, and that affinity is steady."""

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
    weight: float = 1.0
    pending: int = 0
    credit: float = 0.0


SERVERS = st.lists(
    st.tuples(st.floats(0.1, 10.0), st.integers(0, 64)).map(lambda told: FakeServer("", *told)), min_size=1, max_size=8
).map(lambda servers: [FakeServer(f"http://s{i}", s.weight, s.pending) for i, s in enumerate(servers)])
ADAPTERS = [f"adapter-{number}" for number in range(300)]


def fleet(*weights: float) -> list[FakeServer]:
    return [FakeServer(f"http://s{number}", weight) for number, weight in enumerate(weights)]


@given(servers=SERVERS, policy=st.sampled_from(Balancing), seed=st.integers(0, 99), replicas=st.integers(1, 4))
def test_only_a_candidate_is_picked_and_nothing_but_credit_changes(
    servers: list[FakeServer], policy: Balancing, seed: int, replicas: int
) -> None:
    before = [(server.url, server.weight, server.pending) for server in servers]
    chosen = pick(policy, servers, "a", random.Random(seed), replicas)
    assert any(chosen is server for server in servers)
    assert [(server.url, server.weight, server.pending) for server in servers] == before


class TestShares:
    @given(weights=st.lists(st.integers(1, 6), min_size=2, max_size=5))
    def test_round_robin_keeps_to_the_weights_exactly(self, weights: list[int]) -> None:
        servers, rng = fleet(*weights), random.Random(1)
        for _ in range(3):
            turns = Counter(pick(Balancing.ROUND_ROBIN, servers, "a", rng).url for _ in range(sum(weights)))
            assert [turns[server.url] for server in servers] == weights

    def test_round_robin_does_not_give_the_heavy_one_its_turns_in_a_row(self) -> None:
        servers, rng = fleet(5, 1, 1), random.Random(1)
        turns = "".join(pick(Balancing.ROUND_ROBIN, servers, "a", rng).url[-1] for _ in range(7))
        assert turns == "0010200"  # the example in nginx's own description of the algorithm

    def test_random_keeps_to_the_weights_in_the_long_run(self) -> None:
        servers, rng, calls = fleet(1, 2, 5), random.Random(7), 8000
        turns = Counter(pick(Balancing.RANDOM, servers, "a", rng).url for _ in range(calls))
        for server in servers:
            expected = calls * server.weight / 8
            assert abs(turns[server.url] - expected) < 4 * math.sqrt(expected)

    @pytest.mark.parametrize("policy", [Balancing.LEAST_PENDING, Balancing.ADAPTER_AFFINITY])
    def test_load_keeps_to_the_weights(self, policy: Balancing) -> None:
        servers, rng = fleet(1, 2, 5), random.Random(7)
        for number in range(800):
            pick(policy, servers, f"adapter-{number}", rng).pending += 1
        for server, expected in zip(servers, (100, 200, 500), strict=True):
            assert server.pending <= LOAD_BOUND * expected + 1


class TestLoad:
    @given(servers=SERVERS)
    def test_least_pending_is_the_least_busy_for_its_weight(self, servers: list[FakeServer]) -> None:
        chosen = pick(Balancing.LEAST_PENDING, servers, "a", random.Random(1))
        assert chosen.pending / chosen.weight == min(each.pending / each.weight for each in servers)

    def test_least_pending_does_not_favour_the_first_of_equals(self) -> None:
        servers, rng = fleet(1, 1, 1), random.Random(1)
        assert len({pick(Balancing.LEAST_PENDING, servers, "a", rng).url for _ in range(50)}) == 3

    @given(servers=SERVERS.filter(lambda servers: len(servers) > 1), seed=st.integers(0, 99))
    def test_power_of_two_never_takes_the_busiest_alone(self, servers: list[FakeServer], seed: int) -> None:
        chosen = pick(Balancing.POWER_OF_TWO, servers, "a", random.Random(seed))
        loads = sorted(each.pending / each.weight for each in servers)
        assert chosen.pending / chosen.weight <= loads[-1]
        assert chosen.pending / chosen.weight < loads[-1] or loads[-1] == loads[-2]


class TestAdapterAffinity:
    def own(self, adapter: str, servers: list[FakeServer]) -> str:
        return pick(Balancing.ADAPTER_AFFINITY, servers, adapter, random.Random(1)).url

    def test_calls_to_one_adapter_go_to_one_server_and_adapters_are_spread(self) -> None:
        servers = fleet(1, 1, 1, 1)
        homes = Counter(self.own(adapter, servers) for adapter in ADAPTERS)
        assert all(self.own(adapter, servers) == self.own(adapter, servers[::-1]) for adapter in ADAPTERS)
        assert min(homes[server.url] for server in servers) > len(ADAPTERS) / 8

    def test_homes_keep_to_the_weights(self) -> None:
        homes = Counter(self.own(adapter, fleet(1, 3)) for adapter in ADAPTERS)
        assert 0.65 < homes["http://s1"] / len(ADAPTERS) < 0.85

    @given(gone=st.integers(0, 4))
    def test_a_server_that_goes_moves_its_own_adapters_and_no_others(self, gone: int) -> None:
        servers = fleet(1, 2, 1, 3, 1)
        left = [server for number, server in enumerate(servers) if number != gone]
        for adapter in ADAPTERS:
            before = self.own(adapter, servers)
            assert before in (servers[gone].url, self.own(adapter, left))

    @given(new=st.floats(0.2, 5.0))
    def test_a_server_that_comes_takes_adapters_and_moves_none_between_the_others(self, new: float) -> None:
        servers = fleet(1, 2, 1)
        joined = [*servers, FakeServer("http://new", new)]
        assert all(self.own(a, joined) in ("http://new", self.own(a, servers)) for a in ADAPTERS)

    @given(servers=SERVERS, adapter=st.sampled_from(ADAPTERS), replicas=st.integers(1, 3))
    def test_no_server_is_given_more_than_its_bounded_share(
        self, servers: list[FakeServer], adapter: str, replicas: int
    ) -> None:
        chosen = pick(Balancing.ADAPTER_AFFINITY, servers, adapter, random.Random(1), replicas)
        share = (1 + sum(server.pending for server in servers)) / sum(server.weight for server in servers)
        if len(servers) > 1:
            assert chosen.pending + 1 <= math.ceil(LOAD_BOUND * share * chosen.weight)

    def test_a_single_busy_adapter_is_given_the_whole_fleet(self) -> None:
        servers = fleet(1, 1, 1, 1)
        for _ in range(64):
            pick(Balancing.ADAPTER_AFFINITY, servers, "a", random.Random(1)).pending += 1
        assert max(server.pending for server in servers) <= math.ceil(LOAD_BOUND * 16)

    def test_overflow_goes_to_the_adapters_second_server_first(self) -> None:
        servers = fleet(1, 1, 1)
        ranked = sorted(servers, key=lambda server: rendezvous("a", server.url, 1.0), reverse=True)
        ranked[0].pending = 9
        assert self.own("a", servers) == ranked[1].url


@given(adapter=st.text(max_size=20), url=st.text(max_size=20), weight=st.floats(0.01, 100))
def test_a_rank_is_a_positive_number_that_grows_with_the_weight(adapter: str, url: str, weight: float) -> None:
    assert 0 < rendezvous(adapter, url, weight) < math.inf
    assert rendezvous(adapter, url, 2 * weight) > rendezvous(adapter, url, weight)

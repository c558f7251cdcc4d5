"""The circuit breaker, as a state machine and by example."""

from __future__ import annotations

import random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.inference.servers.breaker import FIRST_PAUSE, THRESHOLD, Breaker, BreakerState

LONGEST = 4.0


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin where they may and end in any order, in any way."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(LONGEST, rng=random.Random(1))
        self.now = 100.0
        self.calls: list[int] = []

    @rule(seconds=st.floats(0.0, 2 * LONGEST))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.allows(self.now))
    @rule()
    def a_call_begins(self) -> None:
        half_open = self.breaker.state(self.now) is BreakerState.HALF_OPEN
        probe = self.breaker.begin()
        assert bool(probe) == half_open
        assert probe not in [call for call in self.calls if call]
        self.calls.append(probe)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0))
    def one_succeeds(self, which: int) -> None:
        self.calls.pop(which % len(self.calls))
        self.breaker.succeeded()
        assert self.breaker.state(self.now) is BreakerState.CLOSED
        assert self.breaker.allows(self.now)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0))
    def one_fails(self, which: int) -> None:
        openings, reopens = self.breaker.openings, self.breaker.reopens
        probe = self.calls.pop(which % len(self.calls))
        was_out = bool(probe) and probe == self.breaker.probe
        self.breaker.failed(self.now, probe)
        if self.breaker.openings > openings:
            whole = min(LONGEST, FIRST_PAUSE * 2**openings)
            assert whole / 2 <= self.breaker.reopens - self.now <= whole
            assert not self.breaker.allows(self.now)
        else:
            assert not was_out
            assert self.breaker.reopens == reopens

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0))
    def one_is_abandoned(self, which: int) -> None:
        state = self.breaker.state(self.now)
        self.breaker.abandoned(self.calls.pop(which % len(self.calls)))
        assert self.breaker.state(self.now) is state

    @invariant()
    def one_probe_at_most_is_out_and_keeps_others_from_passing(self) -> None:
        out = [call for call in self.calls if call and call == self.breaker.probe]
        assert len(out) <= 1
        if self.breaker.probe:
            assert out == [self.breaker.probe]
            assert not self.breaker.allows(self.now)


TestBreakerMachine = BreakerMachine.TestCase


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(LONGEST, rng=random.Random(1))
    for _ in range(THRESHOLD):
        breaker.failed(now)
    return breaker


def test_only_failures_in_a_row_open_the_breaker() -> None:
    breaker = Breaker(LONGEST)
    for _ in range(THRESHOLD - 1):
        breaker.failed(0.0)
    breaker.succeeded()
    for _ in range(THRESHOLD - 1):
        breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.OPEN


def test_calls_sent_before_it_opened_do_not_lengthen_the_pause() -> None:
    breaker = opened()
    reopens = breaker.reopens
    for _ in range(60):
        breaker.failed(0.1)
    assert (breaker.reopens, breaker.openings) == (reopens, 1)


def test_an_unused_slot_does_not_end_the_probe_of_another_call() -> None:
    breaker = opened()
    early = 0  # began while it was closed
    breaker.begin()
    breaker.abandoned(early)
    assert not breaker.allows(LONGEST)


def test_a_probe_of_an_earlier_outage_is_ignored() -> None:
    breaker = opened()
    first = breaker.begin()
    breaker.succeeded()  # a call from before the outage came back
    for _ in range(THRESHOLD):
        breaker.failed(10.0)
    second = breaker.begin()
    breaker.failed(20.0, first)
    assert breaker.probe == second
    assert breaker.openings == 1


def test_pauses_are_jittered() -> None:
    ends = set()
    for seed in range(20):
        breaker = Breaker(LONGEST, rng=random.Random(seed))
        for _ in range(THRESHOLD):
            breaker.failed(0.0)
        ends.add(breaker.reopens)
    assert len(ends) == 20

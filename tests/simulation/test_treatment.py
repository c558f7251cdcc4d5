"""What happens to messages between being sent and being heard."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.role import ModelRole
from simulation.engine.society import Arrival
from simulation.engine.treat import treat
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from simulation.treatment import Treatment

ROLES = (ModelRole.LEADER, ModelRole.FOLLOWER, ModelRole.LEADER, ModelRole.COMPETITOR)
Inboxes = list[list[Arrival]]


def everyone_hears_everyone(count: int = 4) -> Inboxes:
    sent = [Arrival(10 + player, player, f"text of {player}") for player in range(count)]
    return [[arrival for arrival in sent if arrival.sender != hearer] for hearer in range(count)]


def treated(treatment: Treatment, inboxes: Inboxes, seed: int = 0) -> Inboxes:
    return treat(treatment, inboxes, ROLES, random.Random(seed))


def author(arrival: Arrival) -> int:
    return int(arrival.text.split()[-1])


def test_delivered_is_what_was_sent() -> None:
    assert treated(Treatment.DELIVERED, everyone_hears_everyone()) == everyone_hears_everyone()


def test_silenced_is_nothing() -> None:
    assert treated(Treatment.SILENCED, everyone_hears_everyone()) == [[], [], [], []]


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_keeps_texts_and_names_and_no_pair_of_them(seed: int) -> None:
    before = everyone_hears_everyone()
    for old, new in zip(before, treated(Treatment.SHUFFLED, before, seed), strict=True):
        assert [a.text for a in new] == [a.text for a in old]
        assert [a.message_id for a in new] == [a.message_id for a in old]
        assert Counter(a.sender for a in new) == Counter(a.sender for a in old)
        assert all(author(a) != a.sender for a in new)


def test_a_lone_message_cannot_be_shuffled() -> None:
    lone = [[Arrival(1, 1, "text of 1")], []]
    assert treated(Treatment.SHUFFLED, lone) == lone


@pytest.mark.parametrize("seed", range(20))
def test_replaced_text_is_of_another_role(seed: int) -> None:
    before = everyone_hears_everyone()
    for hearer, (old, new) in enumerate(zip(before, treated(Treatment.REPLACED, before, seed), strict=True)):
        assert [a.sender for a in new] == [a.sender for a in old]
        for arrival in new:
            assert ROLES[author(arrival)] is not ROLES[arrival.sender]
            assert author(arrival) != hearer
            assert arrival.message_id == 10 + author(arrival)  # it is that message which was heard


def test_replaced_draws_among_all_other_roles() -> None:
    drawn = {author(treated(Treatment.REPLACED, everyone_hears_everyone(), seed)[1][0]) for seed in range(50)}
    assert drawn == {3}  # 1 hears leader 0: the other follower is itself, so only the competitor is left
    drawn = {author(treated(Treatment.REPLACED, everyone_hears_everyone(), seed)[0][2]) for seed in range(50)}
    assert drawn == {1, 2}  # 0 hears competitor 3


def test_without_another_role_nothing_can_replace() -> None:
    before = everyone_hears_everyone()
    assert treat(Treatment.REPLACED, before, [ModelRole.LEADER] * 4, random.Random(0)) == before


def run(make_plan: Callable[..., Plan], runs: Path, treatment: Treatment) -> Run:
    communication = {"treatment": treatment.value, "talk_rounds": 2}
    return run_scenario(make_plan(mode="cooperative", communication=communication), out=runs)


def test_a_silenced_run_sends_and_stores_but_nobody_hears(make_plan: Callable[..., Plan], runs: Path) -> None:
    delivered, silenced = (run(make_plan, runs, each) for each in (Treatment.DELIVERED, Treatment.SILENCED))
    assert list(silenced.messages["text"]) == list(delivered.messages["text"])  # simulated minds do not listen
    assert set(silenced.messages["audience"]) == {()}
    assert {len(heard) for heard in delivered.messages["audience"]} == {3}
    assert silenced.manifest["scenario"]["communication"]["treatment"] == "silenced"


def test_the_audience_is_who_heard_the_text_each_once(make_plan: Callable[..., Plan], runs: Path) -> None:
    shuffled, replaced = (run(make_plan, runs, each) for each in (Treatment.SHUFFLED, Treatment.REPLACED))
    assert {len(heard) for heard in shuffled.messages["audience"]} == {3}
    for sender, heard in zip(replaced.messages["sender"], replaced.messages["audience"], strict=True):
        assert len(set(heard)) == len(heard)
        assert sender not in heard

"""The hidden profile: the pooled facts favour the right option, each player's own facts a wrong one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language import Language
from simulation.games.hidden_profile import HiddenProfile, Profile, plurality
from tests.simulation.games.table import accuracies, game_of, opened, played, with_table

SEEDS, PLAYERS = st.integers(0, 2**32), st.integers(2, 7)


def favourite(facts: dict[str, tuple[int, ...]]) -> str | None:
    return plurality([option for option, known in facts.items() for _ in known])


def pooled(profile: Profile, players: int) -> dict[str, set[int]]:
    known = [profile.known(player) for player in range(players)]
    return {option: {fact for facts in known for fact in facts[option]} for option in profile.common}


@given(SEEDS, PLAYERS, st.integers(2, 4), st.integers(2, 5))
def test_hidden_step_favours_the_decoy_until_facts_are_pooled(
    seed: int, players: int, facts: int, options: int
) -> None:
    game = game_of(HiddenProfile, players, private_facts=facts, options=options)
    profile = opened(game, seed).table.profiles[0]
    alone = {favourite(profile.known(player)) for player in range(players)}
    assert len(alone) == 1
    assert None not in alone
    assert profile.right not in alone
    counts = Counter({option: len(known) for option, known in pooled(profile, players).items()})
    (best, most), (_, second) = counts.most_common(2)
    assert best == profile.right
    assert most > second


@given(SEEDS, PLAYERS)
def test_shared_step_shows_the_right_option_to_all(seed: int, players: int) -> None:
    game = game_of(HiddenProfile, players, hidden=0)
    profile = opened(game, seed).table.profiles[0]
    assert all(favourite(profile.known(player)) == profile.right for player in range(players))


@given(SEEDS, PLAYERS)
def test_fact_has_one_number_and_one_option(seed: int, players: int) -> None:
    profile = opened(game_of(HiddenProfile, players), seed).table.profiles[0]
    numbers = [fact for facts in pooled(profile, players).values() for fact in facts]
    assert len(numbers) == len(set(numbers)) == 2 * players + 3 + 1


@given(SEEDS, st.integers(0, 3))
def test_observation_does_not_depend_on_hidden_facts(seed: int, player: int) -> None:
    game = game_of(HiddenProfile, 4, steps=2)
    state = opened(game, seed)
    now = state.table.profiles[0]
    others = tuple(facts if i == player else (1001 + i, 2001 + i) for i, facts in enumerate(now.private))
    changed = with_table(
        state, replace(state.table, profiles=(replace(now, private=others), *state.table.profiles[:1]))
    )
    for language in Language:
        assert game.observation_text(changed, player, language) == game.observation_text(state, player, language)


@given(SEEDS)
def test_observation_shows_only_known_facts(seed: int) -> None:
    game = game_of(HiddenProfile, 3)
    state = opened(game, seed)
    profile = state.table.profiles[0]
    for player in range(3):
        news = game.observation_text(state, player, Language.EN)
        shown = {
            int(word) for word in news.replace(",", " ").replace(";", " ").replace(".", " ").split() if word.isdigit()
        }
        assert shown == {fact for facts in profile.known(player).values() for fact in facts}
        assert shown.isdisjoint(fact for i, facts in enumerate(profile.private) if i != player for fact in facts)


def fixed(right: str = "Q") -> Profile:
    return Profile(right, {"P": (11, 12, 13), "Q": (), "R": (14,)}, ((21, 22), (23, 24), (25, 26)))


def test_group_earns_by_the_choice_of_the_majority() -> None:
    game = game_of(HiddenProfile, 3, steps=2)
    state = with_table(opened(game), replace(opened(game).table, profiles=(fixed(), fixed("R"))))
    assert (
        game.observation_text(state, 1, Language.EN) == "Facts you know: for P: 11, 12, 13; for Q: 23, 24; for R: 14."
    )
    state = played(game, state, "Q", "Q", "P")
    assert state.tally.payoff == (1, 1, 1)
    assert accuracies(game, state) == [1, 1, 0]
    assert game.observation_text(state, 2, Language.EN).endswith("Last step Q was right; the group named Q.")


def test_tie_has_no_choice_and_invalid_decision_earns_nothing() -> None:
    game = game_of(HiddenProfile, 3)
    state = with_table(opened(game), replace(opened(game).table, profiles=(fixed(),)))
    assert sum(played(game, state, "P", "Q", "R").tally.payoff) == 0
    assert played(game, state, "Q", "Q", None).tally.payoff == (1, 1, 0)


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_following_own_facts_gives_nash(hidden: float) -> None:
    game = game_of(HiddenProfile, 4, steps=20, hidden=hidden)
    state = opened(game, seed=3)
    while not game.is_terminal(state):
        observations = [game.observe(state, player, Language.EN) for player in range(4)]
        state = played(
            game, state, *(max(observation.options, key=lambda o: o.cooperation).action for observation in observations)
        )
    assert game.score(state).welfare == game.nash() == (1 - hidden) * game.optimum()


@given(SEEDS, PLAYERS, st.sampled_from("PQR"))
def test_no_single_player_improves_a_hidden_step(seed: int, players: int, choice: str) -> None:
    game = game_of(HiddenProfile, players)
    state = opened(game, seed)
    decoy = favourite(state.table.profiles[0].known(0))
    assert played(game, state, choice, *[decoy] * (players - 1)).tally.payoff[0] == 0

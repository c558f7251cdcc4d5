"""Every game follows the rules for games and has a golden transcript.

To rewrite the transcripts after an intended change: `GOLDEN=write pytest tests/simulation/games`.
"""

from __future__ import annotations

import copy
import math
import os
import pickle  # noqa: TID251 - only to weigh a state
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.language import Language
from simulation.authoring.game_pages import PageSection, game_page
from simulation.games import find_game, task_types
from simulation.games.base import Game, GameError, Move
from simulation.games.conformance import (
    STEPS,
    broken_rules,
    legal_actions,
    make_game,
    play,
    random_moves,
    transcript,
)
from simulation.games.measures import gini

GOLDEN = Path(__file__).with_name("golden")
every_game = pytest.mark.parametrize("kind", [find_game(name) for name in task_types()], ids=task_types())
Kind = type[Game[Any]]


def test_task_type_is_the_name_of_the_module() -> None:
    assert [find_game(name).task_type for name in task_types()] == list(task_types())


@every_game
def test_transcript_equals_the_golden_file(kind: Kind) -> None:
    path, now = GOLDEN / f"{kind.task_type}.txt", transcript(make_game(kind))
    if os.environ.get("GOLDEN") == "write":
        path.write_text(now, encoding="utf-8")
    assert path.exists(), f"{kind.task_type} has no golden transcript: GOLDEN=write pytest {__file__}"
    assert now == path.read_text(encoding="utf-8")


@every_game
def test_docstring_is_a_complete_page(kind: Kind) -> None:
    page = game_page(kind.task_type)
    in_the_list = (PageSection.PLAYERS, PageSection.DECISION, PageSection.MESSAGE)  # what `society ls games` prints
    for part in in_the_list:
        assert 4 < len(page.line(part)) <= 120, part
    assert "| " in page.parts[PageSection.PAYOFF] or " = " in page.parts[PageSection.PAYOFF]
    assert [each.name for each in page.parameters] == list(kind.Parameters.model_fields)
    for each in page.parameters:
        assert f"{each.name}" in page.text, f"the page does not speak of the parameter {each.name}"


@every_game
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), invalid=st.sampled_from([0.0, 0.3]))
def test_random_play_stays_within_all_bounds(kind: Kind, seed: int, invalid: float) -> None:
    game = make_game(kind)
    states = play(game, seed, invalid)
    score = game.score(states[-1])
    assert len(states) <= STEPS + 1
    assert score.welfare == pytest.approx(sum(player.payoff for player in score.players))
    assert score.welfare <= score.optimum + 1e-6
    assert math.isnan(score.nash) or score.nash <= score.optimum + 1e-6
    assert min(game.earned(states[-1])) >= -1e-9
    assert math.isnan(score.gini) if min(each.payoff for each in score.players) < 0 else 0 <= score.gini < 1
    for player in score.players:
        assert math.isfinite(player.payoff)
        assert 0 <= player.accuracy <= 1 + 1e-9
        assert 0 <= player.efficiency <= 1 if score.optimum > 0 else math.isnan(player.efficiency)
        assert player.cooperation_score is None or 0 <= player.cooperation_score <= 1


@every_game
def test_broken_rules_is_empty(kind: Kind) -> None:
    assert broken_rules(kind, episodes=4) == ()


@every_game
def test_same_seed_gives_the_same_episode(kind: Kind) -> None:
    assert play(make_game(kind), 5) == play(make_game(kind), 5)


@every_game
def test_resolve_does_not_change_the_state_before(kind: Kind) -> None:
    game = make_game(kind)
    state = game.start(random.Random(1))
    before = copy.deepcopy(state)
    game.resolve(state, random_moves(game, state, random.Random(1)))
    assert state == before


@every_game
def test_state_does_not_grow_with_the_steps(kind: Kind) -> None:
    sizes = [len(pickle.dumps(state)) for state in play(make_game(kind, steps=60), 3)]
    assert max(sizes[len(sizes) // 2 :]) <= max(sizes[: len(sizes) // 2 + 1]) + 64


@every_game
def test_resolve_refuses_wrong_moves(kind: Kind) -> None:
    game = make_game(kind)
    state = game.start(random.Random(1))
    moves = random_moves(game, state, random.Random(1))
    with pytest.raises(GameError, match="moves for"):
        game.resolve(state, moves[:-1])
    with pytest.raises(GameError, match="legal:"):
        game.resolve(state, [Move("no such action"), *moves[1:]])
    done = play(game, seed=1)[-1]
    with pytest.raises(GameError, match="over"):
        game.resolve(done, moves)


@every_game
def test_invalid_decisions_are_counted(kind: Kind) -> None:
    game = make_game(kind)
    state = game.start(random.Random(1))
    while not game.is_terminal(state):
        state = game.resolve(state, [Move(None)] * game.players)
    assert [player.cooperation_score for player in game.score(state).players] == [None] * game.players


@every_game
@pytest.mark.parametrize("language", list(Language))
def test_labels_are_distinct_in_both_languages(kind: Kind, language: Language) -> None:
    game = make_game(kind)
    assert game.rules(language)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in game.rules(language)) is (language is Language.ZH)
    for state in play(game, 2)[:-1]:
        for player in range(game.players):
            observation = game.observe(state, player, language)
            labels = [option.label for option in observation.options]
            assert len(set(labels)) == len(labels) >= 1
            assert all(0 <= option.cooperation <= 1 for option in observation.options)
            assert [option.action for option in observation.options] == legal_actions(game, state, player)
            assert isinstance(game.observation_text(state, player, language), str)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_gini_is_a_share_without_scale(values: list[float]) -> None:
    assert -1e-9 <= gini(values) <= 1 - 1 / len(values) + 1e-9
    assert gini([value * 3 for value in values]) == pytest.approx(gini(values), abs=1e-6)


def test_gini_of_known_splits() -> None:
    assert gini([1, 1, 1, 1]) == 0
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert gini([]) == gini([0, 0]) == 0

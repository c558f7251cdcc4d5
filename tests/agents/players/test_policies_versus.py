"""What each scripted player does, move by move, against a fixed sequence of moves (after Axelrod's `versus_test`)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from agents.language import Language
from agents.players.phrases import SENTENCES
from agents.players.policies import POLICIES, Observation, Option, SpeakingStyle, announced_option
from simulation.games import find_game, task_types
from simulation.games.base import Game, Move
from tests.simulation.games.table import game_of, opened, played

HISTORY = "CDDCCDCD"


def versus(policy: str, opponent: str, seed: int = 1, game: str = "prisoners_dilemma") -> str:
    """The moves, C or D, of `policy` against a partner who plays the moves in `opponent` whatever happens."""
    table = game_of(find_game(game), 2, steps=len(opponent))
    state, rng, moves = opened(table), random.Random(seed), ""
    for letter in opponent:
        option = POLICIES[policy].decide(table.observe(state, 0, Language.EN), rng)
        answers = {level: action for action, level in table._options(state, 1)}
        state = played(table, state, option.action, answers[float(letter == "C")])
        moves += "C" if option.cooperation == 1.0 else "D"
    return moves


@pytest.mark.parametrize(
    ("policy", "opponent", "expected"),
    [
        ("always_cooperate", HISTORY, "CCCCCCCC"),
        ("always_defect", HISTORY, "DDDDDDDD"),
        ("tit_for_tat", HISTORY, "CCDDCCDC"),
        ("suspicious_tit_for_tat", HISTORY, "DCDDCCDC"),
        ("grim", HISTORY, "CCDDDDDD"),
        ("grim", "CCCCCCCD", "CCCCCCCC"),
        ("win_stay_lose_shift", HISTORY, "CCDCCCDD"),
        ("win_stay_lose_shift", "DDDD", "CDCD"),
        ("conditional_cooperator", HISTORY, "CCDDCCDC"),
        ("punisher", HISTORY, "CCDDCCDC"),
        ("free_rider", HISTORY, "DDDDDDDD"),
        ("greedy_harvester", HISTORY, "DDDDDDDD"),
        ("sustainable_harvester", HISTORY, "CCCCCCCC"),
        ("level_1", HISTORY, "DDDDDDDD"),
        ("level_2", HISTORY, "DDDDDDDD"),
        ("level_3", HISTORY, "DDDDDDDD"),
        ("best_response", HISTORY, "DDDDDDDD"),
        ("nash_mixer", HISTORY, "DDDDDDDD"),
    ],
)
def test_policies_in_the_prisoners_dilemma(policy: str, opponent: str, expected: str) -> None:
    assert versus(policy, opponent) == expected


@pytest.mark.parametrize(
    ("policy", "game", "expected"),
    [
        ("level_1", "chicken", "CCCCCCCC"),  # 6+2 against 7+0 in even odds
        ("level_2", "chicken", "DDDDDDDD"),
        ("level_3", "chicken", "CCCCCCCC"),
        ("best_response", "chicken", "CDCCDDCD"),  # the opposite of the partner's last move
        ("best_response", "stag_hunt", "DCDDCCDC"),  # the partner's last move
    ],
)
def test_payoffs_decide_what_payoff_players_do(policy: str, game: str, expected: str) -> None:
    assert versus(policy, HISTORY, game=game) == expected


@pytest.mark.parametrize("chance", [10, 25, 50, 75, 90])
def test_random_players_cooperate_as_often_as_their_name_says(chance: int) -> None:
    moves = versus(f"random_{chance}", "C" * 2000, seed=5)
    four_sigma = 4 * (chance / 100 * (1 - chance / 100) / 2000) ** 0.5
    assert moves.count("C") / 2000 == pytest.approx(chance / 100, abs=four_sigma)


def test_generous_tit_for_tat_forgives_a_third() -> None:
    moves = versus("generous_tit_for_tat", "D" * 2001)[1:]
    assert moves.count("C") / 2000 == pytest.approx(1 / 3, abs=4 * (2 / 9 / 2000) ** 0.5)
    assert versus("generous_tit_for_tat", "C" * 50) == "C" * 50


def test_the_nash_mixer_mixes_chicken_as_the_equilibrium_does() -> None:
    moves = versus("nash_mixer", "C" * 2000, game="chicken")
    assert moves.count("C") / 2000 == pytest.approx(2 / 3, abs=4 * (2 / 9 / 2000) ** 0.5)


@pytest.mark.parametrize(
    ("policy", "guess"), [("level_1", 30), ("level_2", 20), ("level_3", 10), ("best_response", 30)]
)
def test_in_the_beauty_contest_each_level_answers_the_one_below(policy: str, guess: int) -> None:
    # five players, guesses in steps of 5: own guess x answers 50 at x = 2/3 * (4 * 50 + x) / 5, 30.8; then 18.5; 12.3
    table = game_of(find_game("beauty_contest"), 5)
    assert decided(table, policy) == str(guess)


@pytest.mark.parametrize(
    ("policy", "gift"), [("level_1", "0"), ("best_response", "0"), ("nash_mixer", "0"), ("punisher", "20")]
)
def test_policies_in_public_goods(policy: str, gift: str) -> None:
    assert decided(game_of(find_game("public_goods"), 5), policy) == gift


def test_selfish_policies_give_where_public_goods_pay_everyone() -> None:
    table = game_of(find_game("public_goods"), 2, multiplier=3.0)
    assert {decided(table, policy) for policy in ("level_1", "level_2", "best_response", "nash_mixer")} == {"20"}


@pytest.mark.parametrize(
    ("policy", "harvest"), [("greedy_harvester", "20"), ("sustainable_harvester", "10"), ("best_response", "20")]
)
def test_policies_in_the_commons(policy: str, harvest: str) -> None:
    assert decided(game_of(find_game("commons"), 5, steps=12), policy) == harvest


@pytest.mark.parametrize(
    ("policy", "gifts", "expected"),
    [
        ("punisher", (20, 20, 0, 10), "punish m2"),
        ("punisher", (20, 20, 20, 20), "spare"),
        ("free_rider", (0, 20, 20, 0), "spare"),
        ("free_rider", (20, 20, 20, 20), "spare"),
        ("best_response", (20, 20, 0, 10), "spare"),
    ],
)
def test_whom_policies_punish(policy: str, gifts: tuple[int, ...], expected: str) -> None:
    table = game_of(find_game("public_goods_punishment"), 4, steps=2)
    state = played(table, opened(table), *gifts)
    assert POLICIES[policy].decide(table.observe(state, 0, Language.EN), random.Random(0)).action == expected


def decided(table: Game[object], policy: str) -> str:
    return POLICIES[policy].decide(table.observe(opened(table), 0, Language.EN), random.Random(1)).action


# -- what holds for every scripted player ------------------------------------------------------------------

OPTIONS = tuple(Option(f"give {n}", f"give {n}", n / 20) for n in (0, 5, 10, 15, 20))
UNKNOWING = Observation(step=1, max_steps=3, options=OPTIONS)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("game", ["prisoners_dilemma", "chicken"])
def test_the_same_seed_is_the_same_play(policy: str, game: str) -> None:
    first, second = (versus(policy, HISTORY * 3, seed=9, game=game) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("policy", "language"), itertools.product(POLICIES, Language))
def test_a_player_announces_what_it_does_in_every_sentence(policy: str, language: Language) -> None:
    player = POLICIES[policy]
    for seed in range(20):
        text = player.speak(UNKNOWING, random.Random(seed), language)
        assert announced_option(text, OPTIONS) == player.decide(UNKNOWING, random.Random(seed))


@pytest.mark.parametrize(("language", "manner"), itertools.product(Language, SpeakingStyle))
def test_every_style_has_sentences_in_every_language(language: Language, manner: SpeakingStyle) -> None:
    sentences = SENTENCES[language][manner]
    assert len(set(sentences)) >= 2
    for sentence in sentences:
        assert sentence.count("{plan}") == 1
        assert any("\u4e00" <= letter <= "\u9fff" for letter in sentence) == (language is Language.ZH)


@pytest.mark.parametrize("policy", ["level_1", "level_2", "level_3", "best_response", "nash_mixer"])
def test_without_a_payoff_model_policies_draw_like_level_0(policy: str) -> None:
    def draws(name: str) -> list[Option]:
        return [POLICIES[name].decide(UNKNOWING, random.Random(seed)) for seed in range(40)]

    assert draws(policy) == draws("level_0")
    assert set(draws(policy)) == set(OPTIONS)


FORESEEABLE = [name for name in task_types() if find_game(name).foreseeable]


@pytest.mark.parametrize("game", FORESEEABLE)
def test_a_payoff_model_has_nothing_the_player_cannot_know(game: str) -> None:
    """Tables opened by other seeds that look the same to a player have the same outlook."""
    table = game_of(find_game(game), 3 if game == "minority" else 4, steps=2)
    seen: dict[object, object] = {}
    for seed in range(60):
        state = opened(table, seed)
        view = table.observe(state, 0, Language.EN)
        assert view.payoff_model is not None
        told = (table.observation_text(state, 0, Language.EN).split("partner is")[0], view)
        prospects = tuple(tuple(view.payoff_model(level)) for level in (0.0, 0.3, 0.5, 1.0))
        assert seen.setdefault(told, prospects) == prospects


@pytest.mark.parametrize("game", FORESEEABLE)
def test_a_payoff_model_gives_what_the_step_pays(game: str) -> None:
    table = game_of(find_game(game), 3 if game == "minority" else 4, steps=2)
    state = opened(table)
    view = table.observe(state, 0, Language.EN)
    assert view.payoff_model is not None
    for level in (0.0, 1.0):
        others = [nearest(table, state, player, level) for player in range(1, table.players)]
        for option, prospect in zip(view.options, view.payoff_model(level), strict=True):
            after = table.resolve(state, [Move(option.action), *others])
            assert after.tally.last_payoff[0] == prospect.payoff


def nearest(table: Game[object], state: object, player: int, level: float) -> Move:
    options: Sequence[Option] = table.observe(state, player, Language.EN).options  # type: ignore[arg-type]
    return Move(min(options, key=lambda option: abs(option.cooperation - level)).action)


def test_games_with_hidden_facts_give_no_payoff_model() -> None:
    assert {"estimation", "hidden_profile", "coordination", "strategy"}.isdisjoint(FORESEEABLE)
    assert {"prisoners_dilemma", "public_goods", "commons", "chicken", "stag_hunt"} <= set(FORESEEABLE)

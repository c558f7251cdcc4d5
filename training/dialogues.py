"""Training examples for the shipped adapters: what a scripted teacher says and does in our own games.

A teacher sits among scripted players. Its prompt at each step, rendered by the project's own templates, is
paired with the teacher's message or decision. What the teacher's seat *played* before is drawn at random, so
that every past (its own included) occurs and the adapter learns the rule, not one trajectory.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.inference.provenance import ChatMessage, Purpose
from agents.language import Language
from agents.players.policies import GENEROSITY, POLICIES, Observation, Policy
from agents.prompts import EpisodeContext, HeardMessage, PlayerContext, chat, identity, system_prompt, user_prompt
from agents.role import ModelRole
from agents.roster import ModelConfig
from agents.strategy import TrainingMode, derive_strategy
from simulation.games import find_game
from simulation.games.base import Game, Move, Setting, State
from simulation.modes import hears
from simulation.seats import Seat

TEACHERS = {"cooperator": "always_cooperate", "defector": "always_defect", "reciprocator": "tit_for_tat"}
SPARRING = (
    "always_cooperate",
    "always_defect",
    "random",
    "tit_for_tat",
    "suspicious_tit_for_tat",
    "generous_tit_for_tat",
    "grim",
    "win_stay_lose_shift",
    "conditional_cooperator",
)
"""Who the teacher plays against. Named here: a policy added later must not change the training data."""


def _forgave_a_third(observation: Observation, rng: random.Random) -> float:
    forgive = rng.random() < GENEROSITY
    return 1.0 if observation.others_last is None or forgive else observation.others_last


def _went_by_the_others(observation: Observation, _rng: random.Random) -> float:
    if observation.own_last is None:
        return 1.0
    won = observation.others_last is None or observation.others_last >= 0.5
    return observation.own_last if won else 1.0 - observation.own_last


PLAYERS = {
    **POLICIES,
    "generous_tit_for_tat": replace(POLICIES["generous_tit_for_tat"], rule=_forgave_a_third),
    "win_stay_lose_shift": replace(POLICIES["win_stay_lose_shift"], rule=_went_by_the_others),
}
"""The policies, two of them as they were when the shipped adapters were trained: their data must stay the same."""
MODES = (TrainingMode.COOPERATIVE, TrainingMode.COMPETITIVE, TrainingMode.TEAM_BATTLE)


@dataclass(frozen=True)
class Example:
    """One prompt and the reply the teacher gives; `choices` are set where it decides."""

    messages: tuple[ChatMessage, ...]
    reply: str
    game: str
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Wording:
    """What may be varied without changing the game. Training and held-out wordings share nothing."""

    names: tuple[str, ...]
    specializations: tuple[str, ...]
    personas: tuple[str, ...]
    tasks: tuple[str, ...]


TRAINING_WORDING = Wording(
    names=("alice", "bob", "carol", "dave", "erin", "m1", "m2", "m3", "m4", "model_a", "model_b", "agent_7"),
    specializations=("planning", "negotiation", "general", "coding", "translation", "analysis"),
    personas=("", "", "", "You are calm.", "You are brief.", "You are curious."),
    tasks=("t1", "warmup", "task_1", "round_a", "goods", "dilemma"),
)
HELD_OUT_WORDING = Wording(
    names=("ivan", "judy", "lora_9", "kim", "player_x", "zoe"),
    specializations=("logistics", "mathematics", "storytelling"),
    personas=("", "You are proud of your craft.", "You speak plainly."),
    tasks=("harbour", "exam_3", "final"),
)


@dataclass(frozen=True)
class Table:
    """A game being played by scripted players, with the teacher's seat first."""

    game: Game[Any]
    configs: tuple[ModelConfig, ...]
    common: EpisodeContext
    players: tuple[Policy, ...]


@dataclass(frozen=True)
class Facts:
    """The facts of a made-up task."""

    task_id: str
    task_type: str
    difficulty: float
    reward_pool: float
    cooperation_level: float


def examples(teacher: str, games: Sequence[str], wording: Wording, seed: int) -> Iterator[Example]:
    """Endless examples of `teacher` (a key of TEACHERS) in `games`; the same seed gives the same examples."""
    rng = random.Random(f"{teacher}/{seed}")
    while True:
        yield from play(make_table(PLAYERS[TEACHERS[teacher]], rng.choice(games), wording, rng), rng)


def data_hash(found: Iterable[Example]) -> str:
    """SHA-256, in hex, of examples: says whether an adapter's training data can still be made."""
    digest = hashlib.sha256()
    for example in found:
        digest.update(f"({_spelt(example)}, {example.reply!r})".encode())
    return digest.hexdigest()


def _spelt(example: Example) -> str:
    """The messages as they were spelt when the shipped adapters' hashes were taken."""
    said = [f"ChatMessage(role={message.role!r}, content={message.content!r})" for message in example.messages]
    return f"({', '.join(said)}{',' if len(said) == 1 else ''})"


def play(table: Table, rng: random.Random) -> Iterator[Example]:
    """The teacher's examples of one episode."""
    state = table.game.start(rng)
    heard: list[HeardMessage] = []
    while not table.game.is_terminal(state):
        yield _talk(table, state, heard, rng)
        heard = messages_heard(table, state, rng)
        yield decide_example(table, state, heard, rng)
        state = table.game.resolve(state, [_move(table, state, i, rng) for i in range(len(table.players))])


def _talk(table: Table, state: State[Any], heard: Sequence[HeardMessage], rng: random.Random) -> Example:
    view = table.game.observe(state, 0, table.common.language)
    prompt = _prompt(Purpose.TALK, table, state, heard, ())
    return Example(prompt, table.players[0].speak(view, rng, table.common.language), table.game.task_type)


def decide_example(table: Table, state: State[Any], heard: Sequence[HeardMessage], rng: random.Random) -> Example:
    """The teacher's decision in `state`."""
    view = table.game.observe(state, 0, table.common.language)
    choices = tuple(option.label for option in view.options)
    prompt = _prompt(Purpose.DECIDE, table, state, heard, choices)
    return Example(prompt, table.players[0].decide(view, rng).label, table.game.task_type, choices)


def _prompt(
    purpose: Purpose, table: Table, state: State[Any], heard: Sequence[HeardMessage], choices: Sequence[str]
) -> tuple[ChatMessage, ...]:
    config, common = table.configs[0], table.common
    own = PlayerContext(
        step=state.tally.step + 1,
        max_steps=table.game.setting.max_steps,
        identity=identity(common.language, config, derive_strategy(config.role, common.task, common.mode)),
        heard=heard,
        observation_text=table.game.observation_text(state, 0, common.language),
        choices=choices,
    )
    return chat(system_prompt(common), user_prompt(purpose, common.language, own))


def messages_heard(table: Table, state: State[Any], rng: random.Random) -> list[HeardMessage]:
    """What the other players say to the teacher in `state`."""
    seats = table.game.setting.seats
    return [
        HeardMessage(seats[i].model_id, seats[i].team_id, _speech(table, state, i, rng))
        for i in range(1, len(seats))
        if hears(table.common.mode, seats[i], seats[0])
    ]


def _speech(table: Table, state: State[Any], player: int, rng: random.Random) -> str:
    view = table.game.observe(state, player, table.common.language)
    return table.players[player].speak(view, rng, table.common.language)


def _move(table: Table, state: State[Any], player: int, rng: random.Random) -> Move:
    view = table.game.observe(state, player, table.common.language)
    policy = PLAYERS["random"] if player == 0 else table.players[player]
    return Move(policy.decide(view, rng).action)


def make_table(teacher: Policy, task_type: str, wording: Wording, rng: random.Random) -> Table:
    """A made-up episode with the teacher in the first seat."""
    count = rng.choice((2, 4, 4, 6)) if task_type == "prisoners_dilemma" else rng.choice((3, 4, 5))
    mode = rng.choice(MODES)
    configs = _configs(count, mode, wording, rng)
    seats = tuple(Seat(config.model_id, config.team_id) for config in configs)
    facts = Facts(
        rng.choice(wording.tasks),
        task_type,
        rng.choice((0.2, 0.3, 0.5, 0.7)),
        rng.choice((10.0, 50.0, 100.0)),
        rng.choice((0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)),
    )
    game = find_game(task_type)(Setting(seats, rng.choice((3, 4, 5)), facts.difficulty))
    common = EpisodeContext(facts, mode, count - 1, game.rules(Language.EN), Language.EN)
    others = tuple(PLAYERS[rng.choice(SPARRING)] for _ in range(count - 1))
    return Table(game, configs, common, (teacher, *others))


def _configs(count: int, mode: TrainingMode, wording: Wording, rng: random.Random) -> tuple[ModelConfig, ...]:
    names = rng.sample(wording.names, count)
    teamed = mode is TrainingMode.TEAM_BATTLE or rng.random() < 0.3
    return tuple(
        ModelConfig(
            model_id=name,
            model_name="teacher",
            role=rng.choice(list(ModelRole)),
            team_id=("red", "blue")[i % 2] if teamed else None,
            specialization=rng.choice(wording.specializations),
            persona=rng.choice(wording.personas),
        )
        for i, name in enumerate(names)
    )

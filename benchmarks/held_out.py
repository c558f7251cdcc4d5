"""Held-out prompts of a scripted teacher: names, specializations, personas and tasks that no training uses.

A teacher sits among scripted players. What its seat plays before is drawn at random, so that every past occurs. Each
prompt is rendered by the project's own templates and has the teacher's decision beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents.inference.provenance import ChatMessage, Purpose
from agents.language import Language
from agents.players.policies import POLICIES, Policy
from agents.prompts import EpisodeContext, HeardMessage, PlayerContext, chat, identity, system_prompt, user_prompt
from agents.role import ModelRole
from agents.roster import ModelConfig
from agents.strategy import TrainingMode, derive_strategy
from simulation.games import find_game
from simulation.games.base import Game, Move, Setting, State
from simulation.games.prisoners_dilemma import COOPERATE, DEFECT
from simulation.modes import hears
from simulation.seats import Seat

SEED = 2024
NAMES = ("ivan", "judy", "lora_9", "kim", "player_x", "zoe")
SPECIALIZATIONS = ("logistics", "mathematics", "storytelling")
PERSONAS = ("", "You are proud of your craft.", "You speak plainly.")
TASKS = ("harbour", "exam_3", "final")
MODES = (TrainingMode.COOPERATIVE, TrainingMode.COMPETITIVE, TrainingMode.TEAM_BATTLE)
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
"""Whom a teacher meets. They are named here so that a policy added later changes no prompt."""

Past = tuple[str, str]
"""What the teacher's seat, then its partner, did in the last step."""


@dataclass(frozen=True)
class Decision:
    """A prompt with its choices, and the one that the teacher takes."""

    messages: tuple[ChatMessage, ...]
    choices: tuple[str, ...]
    taken: str


@dataclass(frozen=True)
class Table:
    """A game that scripted players play; the teacher has the first seat."""

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
    horizon: None = None


def decisions(policy: str, game: str, stream: str) -> Iterator[Decision]:
    """Yield one decision of each of endless episodes: prompts of one episode are not independent.

    Args:
        policy: The teacher.
        game: What is played.
        stream: Names the random stream; the same name gives the same prompts.
    """
    rng = random.Random(f"{SEED}/{stream}")
    while True:
        yield rng.choice(list(_play(_make_table(policy, game, rng), rng)))


def dilemma_decisions(past: Past | None) -> Iterator[Decision]:
    """Yield endless decisions of the prisoner's dilemma after `past`; None is the first step."""
    rng = random.Random(f"{SEED}/{past}")
    while True:
        table = _make_table("tit_for_tat", "prisoners_dilemma", rng)
        state = table.game.start(rng)
        if past is not None:
            moves = [Move(rng.choice((COOPERATE, DEFECT))) for _ in table.players]
            moves[0], moves[state.table[0]] = Move(past[0]), Move(past[1])
            state = table.game.resolve(state, moves)
        yield _decision(table, state, _messages_heard(table, state, rng), rng)


def _play(table: Table, rng: random.Random) -> Iterator[Decision]:
    state = table.game.start(rng)
    heard: list[HeardMessage] = []
    while not table.game.is_terminal(state):
        _speech(table, state, 0, rng)  # nobody hears it here; it is drawn so that prompts stay the published figures'
        heard = _messages_heard(table, state, rng)
        yield _decision(table, state, heard, rng)
        state = table.game.resolve(state, [_move(table, state, i, rng) for i in range(len(table.players))])


def _decision(table: Table, state: State[Any], heard: Sequence[HeardMessage], rng: random.Random) -> Decision:
    view = table.game.observe(state, 0, table.common.language)
    choices = tuple(option.label for option in view.options)
    return Decision(_prompt(table, state, heard, choices), choices, table.players[0].decide(view, rng).label)


def _prompt(
    table: Table, state: State[Any], heard: Sequence[HeardMessage], choices: Sequence[str]
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
    return chat(system_prompt(common), user_prompt(Purpose.DECIDE, common.language, own))


def _messages_heard(table: Table, state: State[Any], rng: random.Random) -> list[HeardMessage]:
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
    policy = POLICIES["random"] if player == 0 else table.players[player]
    return Move(policy.decide(view, rng).action)


def _make_table(teacher: str, task_type: str, rng: random.Random) -> Table:
    count = rng.choice((2, 4, 4, 6)) if task_type == "prisoners_dilemma" else rng.choice((3, 4, 5))
    mode = rng.choice(MODES)
    configs = _configs(count, mode, rng)
    seats = tuple(Seat(config.model_id, config.team_id) for config in configs)
    facts = Facts(
        rng.choice(TASKS),
        task_type,
        rng.choice((0.2, 0.3, 0.5, 0.7)),
        rng.choice((10.0, 50.0, 100.0)),
        rng.choice((0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)),
    )
    game = find_game(task_type)(Setting(seats, rng.choice((3, 4, 5)), facts.difficulty))
    common = EpisodeContext(facts, mode, count - 1, game.rules(Language.EN), Language.EN)
    players = (teacher, *(rng.choice(SPARRING) for _ in range(count - 1)))
    return Table(game, configs, common, tuple(POLICIES[name] for name in players))


def _configs(count: int, mode: TrainingMode, rng: random.Random) -> tuple[ModelConfig, ...]:
    names = rng.sample(NAMES, count)
    teamed = mode is TrainingMode.TEAM_BATTLE or rng.random() < 0.3
    return tuple(
        ModelConfig(
            model_id=name,
            model_name="teacher",
            role=rng.choice(list(ModelRole)),
            team_id=("red", "blue")[i % 2] if teamed else None,
            specialization=rng.choice(SPECIALIZATIONS),
            persona=rng.choice(PERSONAS),
        )
        for i, name in enumerate(names)
    )

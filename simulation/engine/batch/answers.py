"""What scripted and simulated players say and do in a step, as columns. Pure: any process can compute any part."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.dataclass_init import changed
from agents.inference.errors import PermanentError
from agents.language import Language
from agents.players.observation import Observation, Option, Situation
from agents.players.policies import POLICIES, ROLE_POLICIES, Policy
from agents.role import ModelRole
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.games.base import Game, State
from simulation.seeds import derive_seeds

if TYPE_CHECKING:
    from agents.roster import ModelConfig

Ears = Callable[[int], tuple[str, ...]]
"""Player -> the texts that it heard."""


class CastMember(NamedTuple):
    """Who plays: `policy` is a scripted player's own, None is a model of the simulated tier."""

    model_id: str
    role: ModelRole
    policy: str | None


@dataclass(frozen=True)
class Cast:
    """The players of an episode, and what their answers depend on besides the state and what they heard.

    Args:
        game: The rules.
        parts: Who plays, by player.
        language: The language of messages.
        mode: The mode of the episode, never mixed.
        seed: The run's seed.
        episode: The episode's number.
        words: The only messages there are; empty where they are free text.
    """

    game: Game[Any]
    parts: tuple[CastMember, ...]
    language: Language
    mode: TrainingMode
    seed: int
    episode: int
    words: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process makes the cast from: a game of one's own is no module that it could import."""
        game = (self.game.task_type, self.game.setting, self.game.parameters.model_dump())
        return {**self.__dict__, "game": game}

    def __setstate__(self, state: dict[str, Any]) -> None:
        task_type, setting, parameters = state["game"]
        kind = find_game(task_type)
        self.__dict__.update(state, game=kind(setting, kind.Parameters(**parameters)))

    def messages(self, state: State[Any], players: Sequence[int], ears: Ears) -> Iterator[str]:
        """Yield what each of `players` says in the step that begins in `state`."""
        for _, policy, observation, rng in self._asked(state, players, ears):
            yield policy.message(observation, rng, self.language, self.words)

    def decisions(self, state: State[Any], players: Sequence[int], ears: Ears) -> Iterator[Option | None]:
        """Yield the option that each of `players` chooses; None for a player with a single one, who is not asked.

        Raises:
            PermanentError: A policy plans what is no option.
        """
        for player, policy, observation, rng in self._asked(state, players, ears):
            options = observation.options
            if len(options) < 2:
                yield None
                continue
            plan = policy.decide(observation, rng)
            if plan not in options:
                place = f"episode {self.episode + 1}, step {state.tally.step + 1}, {self.parts[player].model_id}"
                raise PermanentError(f"{place}: the policy {policy.name} plans {plan.label!r}, which is no option")
            yield plan

    def _asked(
        self, state: State[Any], players: Sequence[int], ears: Ears
    ) -> Iterator[tuple[int, Policy, Observation, random.Random]]:
        """Yield each player with its policy, what it sees and hears, and its own random numbers."""
        step, language = state.tally.step, self.language
        names = [self.parts[player].model_id for player in players]
        seeds = derive_seeds(self.seed, "player", self.episode, step, last=names)
        for player, seed in zip(players, seeds, strict=True):
            name, role, scripted = self.parts[player]
            observation = _with_heard(self.game.observe(state, player, language), ears(player))
            if scripted is not None:
                yield player, POLICIES[scripted], observation, LateRandom(f"{seed}/{name}")
                continue
            situation = Situation(role, language, observation, self.mode)
            rng = LateRandom(f"{seed}|{self.episode}|{step}|{name}")
            yield player, ROLE_POLICIES[role].of(situation), observation, rng


def parts_of(configs: Iterable[ModelConfig]) -> tuple[CastMember, ...]:
    """Return who plays, from roster rows."""
    return tuple(CastMember(row.model_id, row.role, row.policy) for row in configs)


class LateRandom(random.Random):
    """The generator `random.Random(seed)`, seeded at its first draw: most policies draw none.

    Args:
        seed: The seed.
    """

    _waiting: str | None

    def __new__(cls, _seed: str) -> LateRandom:
        return super().__new__(cls, 0)  # type: ignore[call-arg]

    def __init__(self, seed: str) -> None:
        self._waiting = seed  # Random's own constructor would seed at once
        self.gauss_next = None

    def random(self) -> float:
        if self._waiting is not None:
            self._begin()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        if self._waiting is not None:
            self._begin()
        return super().getrandbits(k)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, None
        self.seed(waiting)


def _with_heard(observation: Observation, heard: tuple[str, ...]) -> Observation:
    """Return the observation with the texts heard."""
    return changed(observation, heard=heard) if heard else observation

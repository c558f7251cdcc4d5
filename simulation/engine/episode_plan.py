"""What decides an episode: its task, mode, game, players, and how much is said. `Episode` plays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.deliberation import UNSET, Deliberation
from agents.inference.provenance import Sampling
from agents.language import Language
from agents.network import SocialActionName
from agents.prompt_templates import Templates
from agents.roster import ModelConfig
from simulation.games.base import Game
from simulation.games.social_network import SocialNetwork
from simulation.modes import ModeChoice
from simulation.sections.memory import NO_MEMORY, MemoryConfig
from simulation.topology.communication import Addressing, Stepping
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from agents.players.policies import Observation
    from simulation.interventions.intervention import Intervention
    from simulation.interviews.survey import Survey
    from simulation.scenario import Scenario
    from simulation.task import TrainingTask
    from simulation.topology.communication import Communication


GameOf = Callable[["TrainingTask", int], Game[Any]]
"""Makes the game of a task, for the number of an episode."""


@dataclass(frozen=True)
class TalkRules:
    """How much is said, and what happens to it before it is heard.

    `message_budget` is per model and episode, `inbox_limit` per model and talk round. `words` are the only messages
    there are; it is empty where they are free text. `senders` are those whose messages are silenced; empty is everyone.
    """

    talk_rounds: int = 1
    message_budget: int | None = None
    inbox_limit: int | None = 16
    treatment: Treatment = Treatment.DELIVERED
    social_actions: tuple[SocialActionName, ...] = ()
    addressing: Addressing = Addressing.BROADCAST
    stepping: Stepping = Stepping.TOGETHER
    words: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()

    @classmethod
    def of(cls, rules: Communication, game: Game[Any]) -> TalkRules:
        """Return the rules of a scenario's communication; in a network nobody talks unless talk_rounds is set."""
        found = cls(**{field.name: getattr(rules, field.name) for field in fields(cls)})
        silent = isinstance(game, SocialNetwork) and "talk_rounds" not in rules.model_fields_set
        return replace(found, talk_rounds=0) if silent else found


class StepView(NamedTuple):
    """One player's observation in a step, for all calls of the step; `seed` is the player's own for the step."""

    observation: Observation
    observation_text: str
    seed: int


@dataclass(frozen=True)
class EpisodePlan:
    """Everything but the replies that decides an episode.

    `later` are plans that take its place from a step on: what the players see, say and earn then follows them. `given`
    are the parameters of the game that such a plan gives itself: values that events set before do not replace them.
    """

    number: int
    task: TrainingTask
    mode: ModeChoice
    game: Game[Any]
    configs: tuple[ModelConfig, ...]
    neighbours: tuple[tuple[int, ...], ...]
    language: Language
    seed: int
    sampling: Sampling
    talk: TalkRules
    deliberation: Deliberation = UNSET
    templates: Templates = ()
    surveys: tuple[Survey, ...] = ()
    events: tuple[Intervention, ...] = ()
    memory: MemoryConfig = NO_MEMORY
    later: tuple[tuple[int, EpisodePlan], ...] = ()
    given: frozenset[str] = frozenset()
    resumed: bool = False

    def with_parameters(self, values: Mapping[str, Any], game_of: GameOf) -> EpisodePlan:
        """Return the plan with other parameters of the game."""
        task = self.task.model_copy(update={"parameters": {**self.task.parameters, **values}})
        game = game_of(task, self.number)
        return replace(self, task=task, game=game)

    def followed_by(self, changes: Sequence[ScenarioFrom], game_of: GameOf) -> EpisodePlan:
        """Return the plan with those that take its place within the episode.

        Args:
            changes: Where which scenario begins.
            game_of: Makes the game of a task, for the number of an episode.
        """
        here = [each for each in changes if each.step > 0 and each.episode == self.number]
        return replace(self, later=tuple((each.step, self._with(each, game_of)) for each in here))

    def _with(self, change: ScenarioFrom, game_of: GameOf) -> EpisodePlan:
        scenario = change.scenario
        task = scenario.tasks[self.number % len(scenario.tasks)]
        game = game_of(task, self.number)
        return replace(
            self,
            task=task,
            game=game,
            sampling=scenario.inference.sampling(),
            deliberation=scenario.inference.deliberation(),
            templates=scenario.templates,
            surveys=scenario.surveys,
            events=scenario.events,
            memory=scenario.memory,
            talk=TalkRules.of(scenario.communication, game),
            given=frozenset(change.given.get(task.task_id, ())),
        )


class ScenarioFrom(NamedTuple):
    """From `episode` and `step` (from 0) on, `scenario` is played; it gives the parameters `given` anew, by task_id."""

    episode: int
    step: int
    scenario: Scenario
    given: Mapping[str, Sequence[str]]

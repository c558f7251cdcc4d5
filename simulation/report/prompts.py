"""The prompts of a run's messages and decisions, worked out anew from its events.

A run keeps the hash of what was asked, not its words. Every prompt made here is held against that hash, and only those
that agree are given: what a reader sees is what the model was asked. Nothing is played on the platform, which makes
this far quicker than a replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request
from agents.inference.records import prompt_hash
from agents.language import Language
from agents.prompts import EpisodeContext, HeardMessage, PlayerContext, chat, identity, system_prompt, user_prompt
from agents.strategy import derive_strategy
from simulation.games.base import GameError, State
from simulation.scenario import Scenario
from simulation.seeds import derive_seed
from simulation.tables.reconstruct import ReplayedEpisode, replayed_episodes
from simulation.topology import build_topology, neighbours

if TYPE_CHECKING:
    from simulation.tables.run import Run

Prompt = tuple[ChatMessage, ...]
TalkRound = tuple[int, int, int]


class Said(NamedTuple):
    """A message as its hearers come to know it."""

    sender: str
    team_id: str | None
    audience: tuple[str, ...]
    text: str


def prompts_from_events(run: Run) -> Mapping[CallKey, Prompt]:
    """The prompts that agree with their hash, by call.

    Missing are those of episodes that did not end, and of what the events do not tell: posts of the social network,
    texts that a treatment put in the place of others.
    """
    script = _Script(run)
    found: dict[CallKey, Prompt] = {}
    try:
        for scene in replayed_episodes(run):
            found.update(_Teller(script, scene).tell())
    except GameError:  # played by other rules than this version's
        pass
    return found


class _Script:
    """What was said and asked in a run, and what stays the same in it."""

    def __init__(self, run: Run) -> None:
        self.scenario = Scenario.model_validate(run.manifest["scenario"])
        self.configs = run.roster.expand()
        self.language, self.seed = Language(self.scenario.language), int(run.manifest["seed"])
        rules, ids = self.scenario.communication, [config.model_id for config in self.configs]
        graph = build_topology(rules.topology, ids, derive_seed(self.seed, "topology"), rules.degree, rules.rewire)
        self.whole = all(len(near) == len(ids) - 1 for near in neighbours(graph))
        default = self.scenario.inference.sampling()
        self.samplings = [replace(default, **each.sampling.model_dump(exclude_none=True)) for each in self.configs]
        self.said, self.hashes = _said(run), _hashes(run)


class _Teller:
    """Tells, step by step, what each model of one episode heard and was asked."""

    def __init__(self, script: _Script, scene: ReplayedEpisode) -> None:
        self._script, self._scene = script, scene
        self._common = EpisodeContext(
            task=scene.task,
            mode=scene.mode,
            others=len(script.configs) - 1,
            rules=scene.game.rules(script.language),
            language=script.language,
            whole=script.whole,
        )
        self._system = system_prompt(self._common)
        self._identities = [
            identity(script.language, config, derive_strategy(config.role, scene.task, scene.mode))
            for config in script.configs
        ]
        self._places = {config.model_id: player for player, config in enumerate(script.configs)}
        self._heard: dict[str, tuple[HeardMessage, ...]] = {}

    def tell(self) -> Iterator[tuple[CallKey, Prompt]]:
        """Every call of the episode whose prompt agrees with its hash."""
        for state in self._scene.states:
            for talk_round in range(self._script.scenario.communication.talk_rounds):
                said = self._script.said.get((self._scene.number, state.tally.step, talk_round), ())
                for message in said:
                    yield from self._asked(state, self._places[message.sender], Purpose.TALK, talk_round)
                if said or talk_round == 0:
                    self._hear(said, keep=talk_round > 0)
            for player in self._places.values():
                yield from self._asked(state, player, Purpose.DECIDE)

    def _hear(self, said: Sequence[Said], keep: bool) -> None:
        new: dict[str, list[HeardMessage]] = {}
        for message in said:
            heard = HeardMessage(message.sender, message.team_id, message.text)
            for hearer in message.audience:
                new.setdefault(hearer, []).append(heard)
        before = self._heard if keep else {}
        self._heard = {name: (*before.get(name, ()), *new.get(name, ())) for name in {*before, *new}}

    def _asked(
        self, state: State[Any], player: int, purpose: Purpose, talk_round: int = 0
    ) -> Iterator[tuple[CallKey, Prompt]]:
        """The call of one moment, and a second one where it was asked again."""
        config = self._script.configs[player]
        key = CallKey(self._scene.number, state.tally.step, config.model_id, purpose, talk_round)
        if key not in self._script.hashes:
            return
        view = self._scene.game.observe(state, player, self._script.language) if purpose is Purpose.DECIDE else None
        choices = tuple(option.label for option in view.options) if view else ()
        own = PlayerContext(
            step=state.tally.step + 1,
            max_steps=self._scene.task.max_steps,
            identity=self._identities[player],
            heard=self._heard.get(config.model_id, ()),
            observation_text=self._scene.game.observation_text(state, player, self._script.language),
            choices=choices,
        )
        messages = chat(self._system, user_prompt(purpose, self._script.language, own))
        for again in (0, 1):
            request = self._request(replace(key, attempt=again), player, messages, choices)
            if self._script.hashes.get(request.key) == prompt_hash(request):
                yield request.key, messages

    def _request(self, key: CallKey, player: int, messages: Prompt, choices: tuple[str, ...]) -> Request:
        return Request(
            key=key,
            adapter=self._script.configs[player].model_name or "",
            messages=messages,
            choices=choices or None,
            sampling=self._script.samplings[player],
            seed=derive_seed(self._script.seed, "player", key.episode, key.step, key.model_id) + key.attempt,
        )


def _said(run: Run) -> Mapping[TalkRound, Sequence[Said]]:
    """Messages by episode, step and talk round, in the order they were sent."""
    rows = run.messages.sort_values("oasis_message_id", kind="stable").astype({"sender": object, "team_id": object})
    names = ("episode", "step", "talk_round", "sender", "team_id", "audience", "text")
    found: dict[TalkRound, list[Said]] = {}
    for episode, step, talk_round, sender, team_id, heard, text in zip(*(rows[name] for name in names), strict=True):
        team = team_id if isinstance(team_id, str) else None
        found.setdefault((episode, step, talk_round), []).append(Said(sender, team, tuple(heard), str(text)))
    return found


def _hashes(run: Run) -> Mapping[CallKey, str]:
    """The hash of what was asked in each call."""
    names = ("episode", "step", "model_id", "purpose", "talk_round", "ask", "prompt_hash")
    rows = run.calls[list(names)].astype({"model_id": str, "purpose": str})
    return {
        CallKey(int(episode), int(step), model_id, Purpose(purpose), int(talk_round), int(ask)): str(asked)
        for episode, step, model_id, purpose, talk_round, ask, asked in zip(*(rows[n] for n in names), strict=True)
    }

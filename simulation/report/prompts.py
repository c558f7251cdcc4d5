"""The prompts of a run's messages and decisions, computed again from its events.

A run stores the hash of a prompt, not its words. Every prompt made here is compared with that hash, and only equal
ones are returned: a reader sees what the model was asked. Nothing is played on the platform, which makes this much
faster than a replay.
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


class SentMessage(NamedTuple):
    """A message, and who heard it."""

    sender: str
    team_id: str | None
    audience: tuple[str, ...]
    text: str


def prompts_from_events(run: Run) -> Mapping[CallKey, Prompt]:
    """The prompts that agree with their hash, by call.

    Prompts of unfinished episodes are missing, and prompts with words that are in no event: posts of the social
    network, texts that a treatment replaced.
    """
    facts = _RunFacts(run)
    found: dict[CallKey, Prompt] = {}
    try:
        for episode in replayed_episodes(run):
            found.update(_EpisodePrompts(facts, episode).by_call())
    except GameError:  # the rules of this version are not those of the run
        pass
    return found


class _RunFacts:
    """What all episodes of a run share, its messages and the hashes of its prompts."""

    def __init__(self, run: Run) -> None:
        self.scenario = Scenario.model_validate(run.manifest["scenario"])
        self.configs = run.roster.expand()
        self.language, self.seed = Language(self.scenario.language), int(run.manifest["seed"])
        rules, ids = self.scenario.communication, [config.model_id for config in self.configs]
        graph = build_topology(rules.topology, ids, derive_seed(self.seed, "topology"), rules.degree, rules.rewire)
        self.whole = all(len(near) == len(ids) - 1 for near in neighbours(graph))
        default = self.scenario.inference.sampling()
        self.samplings = [replace(default, **each.sampling.model_dump(exclude_none=True)) for each in self.configs]
        self.sent, self.hashes = _sent_messages(run), _hashes(run)


class _EpisodePrompts:
    """The prompts of one episode, step by step."""

    def __init__(self, facts: _RunFacts, episode: ReplayedEpisode) -> None:
        self._facts, self._episode = facts, episode
        self._common = EpisodeContext(
            task=episode.task,
            mode=episode.mode,
            others=len(facts.configs) - 1,
            rules=episode.game.rules(facts.language),
            language=facts.language,
            whole=facts.whole,
        )
        self._system = system_prompt(self._common)
        self._identities = [
            identity(facts.language, config, derive_strategy(config.role, episode.task, episode.mode))
            for config in facts.configs
        ]
        self._places = {config.model_id: player for player, config in enumerate(facts.configs)}
        self._heard: dict[str, tuple[HeardMessage, ...]] = {}

    def by_call(self) -> Iterator[tuple[CallKey, Prompt]]:
        """Every call of the episode whose prompt agrees with its hash."""
        for state in self._episode.states:
            for talk_round in range(self._facts.scenario.communication.talk_rounds):
                sent = self._facts.sent.get((self._episode.number, state.tally.step, talk_round), ())
                for message in sent:
                    yield from self._prompts(state, self._places[message.sender], Purpose.TALK, talk_round)
                if sent or talk_round == 0:
                    self._hear(sent, keep=talk_round > 0)
            for player in self._places.values():
                yield from self._prompts(state, player, Purpose.DECIDE)

    def _hear(self, sent: Sequence[SentMessage], keep: bool) -> None:
        new: dict[str, list[HeardMessage]] = {}
        for message in sent:
            heard = HeardMessage(message.sender, message.team_id, message.text)
            for hearer in message.audience:
                new.setdefault(hearer, []).append(heard)
        before = self._heard if keep else {}
        self._heard = {name: (*before.get(name, ()), *new.get(name, ())) for name in {*before, *new}}

    def _prompts(
        self, state: State[Any], player: int, purpose: Purpose, talk_round: int = 0
    ) -> Iterator[tuple[CallKey, Prompt]]:
        """The prompt of one message or decision, and of its second request where there was one."""
        config = self._facts.configs[player]
        key = CallKey(self._episode.number, state.tally.step, config.model_id, purpose, talk_round)
        if key not in self._facts.hashes:
            return
        game, language = self._episode.game, self._facts.language
        observation = game.observe(state, player, language) if purpose is Purpose.DECIDE else None
        choices = tuple(option.label for option in observation.options) if observation else ()
        own = PlayerContext(
            step=state.tally.step + 1,
            max_steps=self._episode.task.max_steps,
            identity=self._identities[player],
            heard=self._heard.get(config.model_id, ()),
            observation_text=self._episode.game.observation_text(state, player, self._facts.language),
            choices=choices,
        )
        messages = chat(self._system, user_prompt(purpose, self._facts.language, own))
        for again in (0, 1):
            request = self._request(replace(key, attempt=again), player, messages, choices)
            if self._facts.hashes.get(request.key) == prompt_hash(request):
                yield request.key, messages

    def _request(self, key: CallKey, player: int, messages: Prompt, choices: tuple[str, ...]) -> Request:
        return Request(
            key=key,
            adapter=self._facts.configs[player].model_name or "",
            messages=messages,
            choices=choices or None,
            sampling=self._facts.samplings[player],
            seed=derive_seed(self._facts.seed, "player", key.episode, key.step, key.model_id) + key.attempt,
        )


def _sent_messages(run: Run) -> Mapping[TalkRound, Sequence[SentMessage]]:
    """Messages by episode, step and talk round, in the order in which they were sent."""
    rows = run.messages.sort_values("oasis_message_id", kind="stable").astype({"sender": object, "team_id": object})
    names = ("episode", "step", "talk_round", "sender", "team_id", "audience", "text")
    found: dict[TalkRound, list[SentMessage]] = {}
    for episode, step, talk_round, sender, team_id, heard, text in zip(*(rows[name] for name in names), strict=True):
        team = team_id if isinstance(team_id, str) else None
        found.setdefault((episode, step, talk_round), []).append(SentMessage(sender, team, tuple(heard), str(text)))
    return found


def _hashes(run: Run) -> Mapping[CallKey, str]:
    """The hash of the prompt of each call."""
    names = ("episode", "step", "model_id", "purpose", "talk_round", "ask", "prompt_hash")
    rows = run.calls[list(names)].astype({"model_id": str, "purpose": str})
    return {
        CallKey(int(episode), int(step), model_id, Purpose(purpose), int(talk_round), int(ask)): str(asked)
        for episode, step, model_id, purpose, talk_round, ask, asked in zip(*(rows[n] for n in names), strict=True)
    }

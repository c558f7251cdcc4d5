"""`LoRAModel`: one roster row as an OASIS agent that speaks, listens and decides.

What it is told comes as a `TurnContext`; what it says goes to an OASIS group chat; what it generates comes from its
responder: `VLLMClient`, its scripted policy, or a person. It keeps no CAMEL memory: everything a model needs is in its
prompt, so its memory does not grow with the episode.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import CallKey, Provenance, Purpose, Reply, Request, Sampling, Tier
from agents.oasis_import import contained_import
from agents.players.policies import POLICIES, Observation, Policy, Situation
from agents.problems import SocietyError
from agents.prompts import EpisodeContext, HeardMessage, PlayerContext, chat, user_prompt
from agents.roster import ModelConfig
from agents.social import FeedPost, SocialMove, Tool, plan_call, read_move

with contained_import():
    from camel.agents import ChatAgent
    from oasis.social_agent.agent import SocialAgent
    from oasis.social_agent.agent_action import SocialAction
    from oasis.social_agent.agent_environment import SocialEnvironment
    from oasis.social_platform.config import UserInfo

if TYPE_CHECKING:
    from agents.inference.client import VLLMClient


Responder = Callable[[Request], Awaitable[Reply]]
"""Answers for one seat; with `request.choices` the reply's text should be one of them."""


class PlatformError(SocietyError):
    """The OASIS platform refused an action; OASIS itself reports that as a value."""


@dataclass(frozen=True)
class TurnContext:
    """What one model is told in one step. `system` is the prompt all models of the episode share, `identity` what is
    its own throughout."""

    episode: int
    step: int
    seed: int
    system: str
    common: EpisodeContext
    view: Observation
    identity: str
    observation_text: str
    sampling: Sampling
    talk_round: int = 0
    heard: tuple[HeardMessage, ...] = ()
    feed: tuple[FeedPost, ...] = ()

    @property
    def seen(self) -> Observation:
        """The view with the texts heard: all a scripted player goes by."""
        return replace(self.view, heard=tuple(message.text for message in self.heard))


@dataclass(frozen=True)
class SpokenMessage:
    """A message that was generated and stored by the platform."""

    reply: Reply
    message_id: int
    group_id: int


@dataclass(frozen=True)
class Decision:
    """A model's action, None when neither answer was one of the choices; `replies` holds one answer or two."""

    action: str | None
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class Act:
    """What a model does in the social network, None when neither answer was legal; `replies` as in `Decision`."""

    move: SocialMove | None
    replies: tuple[Reply, ...]


class LoRAModel(SocialAgent):
    """One LoRA adapter (or scripted policy) as an OASIS `SocialAgent`, therefore a CAMEL `ChatAgent`.

    `agent_id` is its number in the OASIS agent graph (0 to n-1), `config` its roster row, of `count` 1; texts come from
    `client`, or from `responder` in its place. `base_model` is used where the row names none; `channel` is the
    platform's.
    """

    def __init__(
        self,
        agent_id: int,
        config: ModelConfig,
        client: VLLMClient,
        channel: Any = None,
        base_model: str | None = None,
        agent_graph: Any = None,
        responder: Responder | None = None,
    ) -> None:
        from agents.inference.society_backend import SocietyBackend

        # SocialAgent.__init__ builds the schemas of all 29 social actions (17-34 ms an agent) and then
        # drops them; a model that only talks in groups needs none, so CAMEL's constructor is called directly.
        ChatAgent.__init__(
            self,
            system_message=config.persona or None,
            model=SocietyBackend(client, config.model_name or config.model_id),
        )
        self.social_agent_id = agent_id
        self.user_info = UserInfo(config.model_id, config.model_id, _bio(config), profile={})
        self.channel = channel
        self.env = SocialEnvironment(SocialAction(agent_id, channel))
        self.agent_graph = agent_graph
        self.action_tools: list[Any] = []
        self.max_iteration = 1
        self.interview_record = False
        self.config = config
        self.client = client
        self.base_model = config.base_model or base_model
        self.responder = responder or _voice(config, client)
        self._drawn: tuple[Sampling, Sampling] | None = None
        self.turn: TurnContext | None = None
        self.spoken: Reply | SocietyError | None = None

    def __str__(self) -> str:  # OASIS's own reads an attribute that does not exist
        return f"LoRAModel({self.social_agent_id}, {self.config.model_id})"

    # -- speaking: OASIS's environment calls perform_action_by_llm ---------------------------------------

    async def perform_action_by_llm(self) -> None:
        """Say something as `self.turn` briefs it. The society stores the texts of all who spoke, in the order of their
        ids. OASIS gathers these calls and one raised error would leave the others running unseen, so an error is kept
        in `self.spoken` for the society to raise."""
        if self.turn is None:
            raise PlatformError(f"{self.config.model_id} was stepped without a turn to take")
        brief, self.turn = self.turn, None
        try:
            self.spoken = await self.responder(self._request(brief, Purpose.TALK))
        except SocietyError as error:
            self.spoken = error

    # -- acting in the social network ------------------------------------------------------------------------

    async def act(self, brief: TurnContext, tools: Sequence[Tool]) -> Act:
        """Choose one of `tools`; a call that is none of them is asked again once, then the act has no move.

        Raises what `VLLMClient.generate` raises.
        """
        request = replace(self._request(brief, Purpose.ACT), tools=tuple(tools), must_use_tool=True)
        first = await self.responder(request)
        move = read_move(first.tool_calls, tools)
        if move is not None:
            return Act(move, (first,))
        second = await self.responder(_again(request, brief))
        return Act(read_move(second.tool_calls, tools), (first, second))

    async def perform(self, move: SocialMove) -> str:
        """Do it in the network; what OASIS has against it, or the empty string."""
        answer = await getattr(self.env.action, move.action.value)(**move.arguments)
        return "" if answer.get("success") else str(answer.get("error", "no reason given"))

    # -- deciding ----------------------------------------------------------------------------------------

    async def decide(self, brief: TurnContext) -> Decision:
        """Choose one of `brief.view.options`; an answer that is none of them is asked again once.

        The action is None where the second is none of them either. Raises what `VLLMClient.generate` raises.
        """
        actions = {option.label: option.action for option in brief.view.options}
        request = self._request(brief, Purpose.DECIDE, tuple(actions))
        first = await self.responder(request)
        label = parse_choice(first.text, tuple(actions))
        if label is not None:
            return Decision(actions[label], (first,))
        second = await self.responder(_again(request, brief))
        label = parse_choice(second.text, tuple(actions))
        return Decision(None if label is None else actions[label], (first, second))

    # -- asking ------------------------------------------------------------------------------------------

    def _request(self, brief: TurnContext, purpose: Purpose, choices: tuple[str, ...] = ()) -> Request:
        own = PlayerContext(
            step=brief.step + 1,
            max_steps=brief.view.max_steps,
            identity=brief.identity,
            heard=brief.heard,
            observation_text=brief.observation_text,
            choices=choices,
            feed=brief.feed,
        )
        return Request(
            key=CallKey(brief.episode, brief.step, self.config.model_id, purpose, brief.talk_round),
            adapter=self.config.model_name or "",
            messages=chat(brief.system, user_prompt(purpose, brief.common.language, own)),
            base_model=self.base_model,
            choices=choices or None,
            sampling=self._sampling(brief.sampling),
            seed=brief.seed,
            adapter_path=self.config.adapter,
            endpoint=self.config.endpoint,
            situation=Situation(self.config.role, brief.common.language, brief.seen),
        )

    def _sampling(self, default: Sampling) -> Sampling:
        if self._drawn is None or self._drawn[0] is not default:
            own = self.config.sampling.model_dump(exclude_none=True)
            self._drawn = (default, replace(default, **own) if own else default)
        return self._drawn[1]


def _voice(config: ModelConfig, client: VLLMClient) -> Responder:
    """Who answers for a row that nobody was seated at. Raises SocietyError for a person's."""
    if config.human:
        raise SocietyError(f"{config.model_id} is played by a person: use society play")
    return partial(_scripted, POLICIES[config.policy]) if config.policy else client.generate


def _again(request: Request, brief: TurnContext) -> Request:
    """The request that asks once more: with another seed, as a server that honours seeds would repeat itself."""
    return replace(request, key=replace(request.key, attempt=1), seed=brief.seed + 1)


async def _scripted(policy: Policy, request: Request) -> Reply:
    return scripted_reply(policy, request)


def scripted_reply(policy: Policy, request: Request) -> Reply:
    """What a scripted player says or does; its plan of a step is the same in word and deed."""
    if request.situation is None:
        raise PlatformError(f"the policy {policy.name} was asked without a situation")
    rng = random.Random(f"{request.seed}/{request.key.model_id}")
    view, language = request.situation.view, request.situation.language
    if request.tools:
        call = plan_call(request.tools, lambda: policy.speak(view, rng, language), rng)
        return Reply("", Provenance(Tier.SCRIPTED, policy.name), tool_calls=(call,))
    talks = request.key.purpose is Purpose.TALK
    text = policy.speak(view, rng, language) if talks else policy.decide(view, rng).label
    return Reply(text, Provenance(Tier.SCRIPTED, policy.name))


def parse_choice(text: str, choices: Sequence[str]) -> str | None:
    """The one of `choices` that `text` is, white space, case and final punctuation aside; None for any other."""
    wanted = text.strip().strip("\"'`*").rstrip(".。!！").strip().casefold()
    found = [choice for choice in choices if choice.casefold() == wanted]
    return found[0] if len(found) == 1 else None


def _bio(config: ModelConfig) -> str:
    team = f", team {config.team_id}" if config.team_id else ""
    player = f"adapter {config.model_name}" if config.model_name else config.played_by
    return f"{config.role.value}{team}, {config.specialization}, {player}"

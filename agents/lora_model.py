"""`LoRAModel`: one roster row as an OASIS agent that speaks, acts and decides.

A `TurnContext` has all that its prompt needs; its messages go to an OASIS group chat; its texts come from its
responder: `VLLMClient`, its scripted policy, or a person. It has no CAMEL memory, because everything a model needs is
in its prompt; so its memory does not grow with the episode.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from agents.adapter_sources import AdapterSwap
from agents.answers import AnswerReading, ReaderVersion, read_answer
from agents.dataclass_init import quick_init
from agents.deliberation import Deliberation
from agents.inference.provenance import CallKey, Provenance, Purpose, Reply, Request, Sampling, Tier
from agents.interviews import Interview, interview_request, interviewed
from agents.language import text_in
from agents.network import SocialMove
from agents.oasis_import import contained_import
from agents.players.policies import POLICIES, Policy, Situation
from agents.problems import SocietyError
from agents.profile import bio
from agents.prompts import PlayerContext, Question, chat, user_prompt
from agents.roster import ModelConfig
from agents.social import Tool, read_act
from agents.tool_plans import any_addressee, planned_call
from agents.turn import TurnContext

with contained_import():
    from camel.agents import ChatAgent
    from oasis.social_agent.agent import SocialAgent
    from oasis.social_agent.agent_action import SocialAction
    from oasis.social_agent.agent_environment import SocialEnvironment
    from oasis.social_platform.config import UserInfo

if TYPE_CHECKING:
    from agents.inference.client import VLLMClient


Responder = Callable[[Request], Awaitable[Reply]]
"""Answers for one player; with `request.choices` the reply's text should be one of them."""


class PlatformError(SocietyError):
    """The OASIS platform refused an action, or stopped."""


@quick_init
@dataclass(frozen=True)
class SpokenMessage:
    """A message that was generated, and that the platform stored."""

    reply: Reply
    message_id: int
    group_id: int


@quick_init
@dataclass(frozen=True)
class Decision:
    """A model's decision in the game.

    Args:
        action: The action, None if neither reply clearly was one of the choices.
        replies: The replies to the first and, where that was invalid, to the second request.
        reading: How the last reply was read; None for the first reader, which knew one way only.
        note: The private note before it, where one was asked for.
    """

    action: str | None
    replies: tuple[Reply, ...]
    reading: AnswerReading | None = None
    note: Reply | None = None


@dataclass(frozen=True)
class Act:
    """A model's move in the social network.

    Args:
        move: The move, None if neither reply was legal.
        replies: As in `Decision`.
        error: Why the last reply is no legal move; empty for a move.
    """

    move: SocialMove | None
    replies: tuple[Reply, ...]
    error: str = ""


_BESIDE = (Purpose.SUMMARY, Purpose.ADDRESS, Purpose.NOTE)
"""What a model is asked beside its messages and decisions; a question of an interview follows none of them."""


class LoRAModel(SocialAgent):
    """One roster row as an OASIS `SocialAgent`, and therefore a CAMEL `ChatAgent`.

    Args:
        agent_id: The agent's number in the OASIS agent graph, 0 to n-1.
        config: The roster row, of `count` 1.
        client: Generates the texts.
        channel: The OASIS platform's channel.
        base_model: The base model of a row that names none.
        agent_graph: The OASIS agent graph.
        responder: Gives the texts in place of `client` or of the row's policy.
        reader: Which reader reads the replies.

    Raises:
        SocietyError: The row is played by a person, and no `responder` is given.
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
        reader: ReaderVersion = ReaderVersion.SENTENCES,
    ) -> None:
        from agents.inference.society_backend import SocietyBackend

        # SocialAgent.__init__ builds the schemas of all 29 social actions (17-34 ms an agent) and then drops them. A
        # model that only talks in groups needs none, so CAMEL's constructor is called directly.
        ChatAgent.__init__(
            self,
            system_message=text_in(config.persona) or None,
            model=SocietyBackend(client, config.model_name or config.model_id),
        )
        self.social_agent_id = agent_id
        self.user_info = UserInfo(config.model_id, config.model_id, bio(config), profile={})
        self.channel = channel
        self.env = SocialEnvironment(SocialAction(agent_id, channel))
        self.agent_graph = agent_graph
        self.action_tools: list[Any] = []
        self.max_iteration = 1
        self.interview_record = False
        self.config = config
        self.client = client
        self.base_model = config.base_model or base_model
        self.responder = responder or _default_responder(config, client)
        self._reader = reader
        self._drawn: tuple[Sampling, Sampling] | None = None
        self._asked: Request | None = None
        self._own_adapter = AdapterSwap(config.model_name or "", config.adapter)
        self.turn: TurnContext | Reply | None = None
        self.spoken: Reply | SocietyError | None = None

    def __str__(self) -> str:  # OASIS's own reads an attribute that does not exist
        return f"LoRAModel({self.social_agent_id}, {self.config.model_id})"

    # -- speaking: OASIS's environment calls perform_action_by_llm ---------------------------------------

    async def perform_action_by_llm(self) -> None:
        """Generate a message for `self.turn` and store the reply in `self.spoken`, where the society takes it.

        A turn may be a reply that was generated before (`message`); it is then stored as it is.

        OASIS gathers these calls, and an error raised here would leave the others running unseen. So an error is
        stored in `self.spoken` too, and the society raises it.
        """
        if self.turn is None:
            raise PlatformError(f"{self.config.model_id} was stepped without a turn")
        turn, self.turn = self.turn, None
        try:
            self.spoken = turn if isinstance(turn, Reply) else await self.message(turn)
        except SocietyError as error:
            self.spoken = error

    async def message(self, turn: TurnContext) -> Reply:
        """Generate a message, which nobody hears yet. Raises InferenceError as `VLLMClient.generate` does."""
        reply = await self.responder(self._request(turn, Purpose.TALK, turn.words))
        return _in_words(reply, turn.words, self._reader) if turn.words else reply

    async def address(self, turn: TurnContext, choices: Sequence[str]) -> tuple[str | None, tuple[Reply, ...]]:
        """Let the model choose who gets its next message; it is asked a second time if its reply is no choice.

        Returns:
            The choice, None if neither reply clearly was one; and the replies.

        Raises:
            InferenceError: As `VLLMClient.generate`.
        """
        request = self._request(turn, Purpose.ADDRESS, tuple(choices))
        first = await self.responder(request)
        label, _ = self._read(first, tuple(choices), {})
        if label is not None:
            return label, (first,)
        second = await self.responder(_again(request, turn))
        return self._read(second, tuple(choices), {})[0], (first, second)

    async def sum_up(self, turn: TurnContext) -> Reply:
        """Let the model sum up what it remembers. Raises InferenceError as `VLLMClient.generate` does."""
        return await self.responder(self._request(turn, Purpose.SUMMARY))

    # -- acting in the social network ------------------------------------------------------------------------

    async def act(self, turn: TurnContext, tools: Sequence[Tool]) -> Act:
        """Let the model call one of `tools`; it is asked a second time if it calls none of them.

        Raises:
            InferenceError: As `VLLMClient.generate`.
        """
        request = replace(self._request(turn, Purpose.ACT), tools=tuple(tools), must_use_tool=True)
        first = await self.responder(request)
        move, error = read_act(first, tools, self._reader)
        if move is not None:
            return Act(move, (first,))
        second = await self.responder(_again(request, turn))
        move, error = read_act(second, tools, self._reader)
        return Act(move, (first, second), error)

    async def perform(self, move: SocialMove) -> str:
        """Perform a move in the social network; return OASIS's reason for a refusal, or an empty text."""
        answer = await getattr(self.env.action, move.action.value)(**move.arguments)
        return "" if answer.get("success") else str(answer.get("error", "no reason given"))

    # -- deciding ----------------------------------------------------------------------------------------

    async def decide(self, turn: TurnContext) -> Decision:
        """Let the model choose one of `turn.observation.options`; it is asked a second time if its reply is no option.

        Raises:
            InferenceError: As `VLLMClient.generate`.
        """
        actions = {option.label: option.action for option in turn.observation.options}
        names = {action: label for label, action in actions.items()}
        note = await self._note(turn, tuple(actions))
        request = self._request(turn, Purpose.DECIDE, tuple(actions), _own_text(note))
        first = await self.responder(request)
        label, reading = self._read(first, tuple(actions), names)
        if label is not None:
            return Decision(actions[label], (first,), reading, note)
        second = await self.responder(_again(request, turn))
        label, reading = self._read(second, tuple(actions), names)
        return Decision(None if label is None else actions[label], (first, second), reading, note)

    async def _note(self, turn: TurnContext, choices: tuple[str, ...]) -> Reply | None:
        """Return the private note that a model writes before it decides; None where none is asked for."""
        if self.config.model_name is None or not self._deliberation(turn).notes:
            return None
        return await self.responder(self._request(turn, Purpose.NOTE, choices))

    def _read(
        self, reply: Reply, choices: tuple[str, ...], names: Mapping[str, str]
    ) -> tuple[str | None, AnswerReading | None]:
        """Return the choice that a reply is, and how it was read."""
        found = read_answer(reply.text, choices, names, self._reader)
        if self._reader is ReaderVersion.EXACT_ONLY:
            return found.option, None
        return found.option, AnswerReading.CONSTRAINED if reply.constrained else found.reading

    # -- interviews --------------------------------------------------------------------------------------

    async def interview(self, turn: TurnContext, question: Question, number: int, seed: int) -> Interview:
        """Ask the model a question outside of its play: in place of what it was last asked in the turn's step.

        Args:
            turn: The step; a model that was asked nothing in it gets the prompt of a decision.
            question: The question.
            number: Tells the questions of one step apart, from 0.
            seed: The seed of this question alone.

        Raises:
            InferenceError: As `VLLMClient.generate`.
        """
        asked = self._asked
        if asked is None or (asked.key.episode, asked.key.step) != (turn.episode, turn.step):
            asked = self._request(turn, Purpose.DECIDE, tuple(option.label for option in turn.observation.options))
        language, templates = turn.common.language, turn.common.templates
        request = interview_request(asked, question, number=number, seed=seed, language=language, templates=templates)
        return await interviewed(request, self.responder, self._reader)

    # -- asking ------------------------------------------------------------------------------------------

    def _request(self, turn: TurnContext, purpose: Purpose, choices: tuple[str, ...] = (), note: str = "") -> Request:
        swap, common = turn.adapter or self._own_adapter, turn.common
        own = self._context(turn, choices, note, turn.addressee if purpose is Purpose.TALK else "")
        thinking, sampling = self._thought(turn, purpose)
        request = Request(  # most values by position: their names would take half a microsecond
            CallKey(turn.episode, turn.step, self.config.model_id, purpose, turn.talk_round),
            swap.name,
            chat(turn.system, user_prompt(purpose, common.language, own, common.templates)),
            self.base_model,
            None if purpose is Purpose.NOTE else choices or None,
            sampling,
            turn.seed,
            swap.path,
            Situation(self.config.role, common.language, turn.full_observation, common.mode, turn.network),
            (),
            False,
            self.config.endpoint,
            self.config.base_model is not None,
            thinking,
        )
        self._asked = self._asked if purpose in _BESIDE else request
        return request

    def _context(self, turn: TurnContext, choices: tuple[str, ...], note: str, addressee: str) -> PlayerContext:
        """Return what the model's prompt is made from."""
        return PlayerContext(
            turn.step + 1,
            turn.observation.max_steps,
            turn.identity,
            turn.heard,
            turn.observation_text,
            choices,
            turn.feed,
            turn.common.task.horizon,
            note,
            turn.network,
            turn.announced,
            turn.remembered,
            addressee,
        )

    def _thought(self, turn: TurnContext, purpose: Purpose) -> tuple[bool | None, Sampling]:
        """Return whether the model should think for this reply, and how the reply is drawn; a choice has no thought."""
        deliberation, sampling = self._deliberation(turn), self._sampling(turn.sampling)
        if purpose in (Purpose.DECIDE, Purpose.ADDRESS) or deliberation.thinking is None:
            return None if deliberation.thinking is None else False, sampling
        return deliberation.thinking, deliberation.sampling(sampling)

    def _deliberation(self, turn: TurnContext) -> Deliberation:
        own = self.config
        if own.thinking is None and own.decide is None:
            return turn.deliberation
        return turn.deliberation.with_settings(own.thinking, own.decide)

    def _sampling(self, default: Sampling) -> Sampling:
        if self._drawn is None or self._drawn[0] is not default:
            own = self.config.sampling.model_dump(exclude_none=True)
            self._drawn = (default, replace(default, **own) if own else default)
        return self._drawn[1]


def _default_responder(config: ModelConfig, client: VLLMClient) -> Responder:
    """Return a row's own responder: its scripted policy, or else the client. Raises SocietyError for a person's row."""
    if config.human:
        raise SocietyError(f"{config.model_id} is played by a person: society run SCENARIO --as MODEL")
    return partial(_scripted, POLICIES[config.policy]) if config.policy else client.generate


def _again(request: Request, turn: TurnContext) -> Request:
    """Return the request that asks a second time, with another seed: with the same one a server repeats its reply."""
    return replace(request, key=replace(request.key, attempt=1), seed=turn.seed + 1)


def _own_text(note: Reply | None) -> str:
    """Return what a model reads of its own note: its thought and its text."""
    return "" if note is None else "\n".join(filter(None, (note.reasoning, note.text)))


def _in_words(reply: Reply, words: Sequence[str], reader: ReaderVersion) -> Reply:
    """Return the reply with the word that it is; one that is no word says nothing."""
    return replace(reply, text=read_answer(reply.text, words, version=reader).option or "")


async def _scripted(policy: Policy, request: Request) -> Reply:
    return scripted_reply(policy, request)


def scripted_reply(policy: Policy, request: Request) -> Reply:
    """Return a scripted player's message, decision or tool call; in one step they all follow the same plan.

    Raises:
        PlatformError: The request has no `situation`.
    """
    if request.situation is None:
        raise PlatformError(f"the policy {policy.name} was asked without a situation")
    rng = random.Random(f"{request.seed}/{request.key.model_id}")
    observation, language = request.situation.observation, request.situation.language
    if request.tools:
        say = partial(policy.speak, observation, rng, language)
        call = planned_call(policy.name, request.situation, request.tools, say, rng)
        return Reply("", Provenance(Tier.SCRIPTED, policy.name), tool_calls=(call,))
    if request.key.purpose is Purpose.ADDRESS:
        text = any_addressee(request)
    elif request.key.purpose is Purpose.TALK:
        text = policy.message(observation, rng, language, request.choices or ())
    elif request.key.purpose is Purpose.INTERVIEW and not request.choices:
        text = policy.speak(observation, rng, language)
    else:
        text = policy.decide(observation, rng).label
    return Reply(text, Provenance(Tier.SCRIPTED, policy.name))

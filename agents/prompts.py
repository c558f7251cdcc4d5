"""Prompts from templates: `prompts/<language>/<purpose>.j2`, one per purpose and language.

The system prompt is the same for every model of an episode. The user prompt starts with the step and ends with the
parts that differ between models, so that a server's prefix cache serves all models of one adapter. A variable that a
template names and that is not given is an error, never a blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from agents.dataclass_init import changed, quick_init
from agents.inference.provenance import CallKey, ChatMessage, Purpose
from agents.language import Language, text_in
from agents.network import NetworkView
from agents.problems import SocietyError
from agents.prompt_templates import Templates, environment
from agents.role import ModelRole
from agents.roster import ModelConfig
from agents.social import FeedPost
from agents.strategy import DecisionMaking, HorizonFacts, Stance, Strategy, TaskFacts, TrainingMode

if TYPE_CHECKING:
    from jinja2.runtime import Context


class AskedPrompt(Protocol):
    """A prompt as a model was asked it: a request, or a prompt stored with a run."""

    @property
    def key(self) -> CallKey:
        """The call."""

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """Its chat messages."""

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The answers allowed."""


@dataclass(frozen=True)
class HeardMessage:
    """A message as its hearers read it; one object serves all of them, so that its line is rendered once.

    `lines` are those rendered so far.
    """

    sender: str
    team_id: str | None
    text: str
    lines: dict[Language, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def line(self, language: Language, templates: Templates = ()) -> str:
        """Return the message as a line of a prompt; a run has one set of templates."""
        if language not in self.lines:
            variables = {"sender": self.sender, "team_id": self.team_id, "text": self.text}
            self.lines[language] = _fill(language, templates, "heard", variables)
        return self.lines[language]


@dataclass(frozen=True)
class EpisodeContext:
    """What the system prompt of an episode is made from.

    Args:
        task: The task.
        mode: The mode of the episode; never mixed.
        others: The number of other models.
        rules: The game's rules in the prompt's language.
        language: The prompt's language.
        whole: True where the topology connects all models.
        templates: Templates in place of the shipped ones.
        network: True where the task is a social network.
    """

    task: TaskFacts
    mode: TrainingMode
    others: int
    rules: str
    language: Language
    whole: bool = True
    templates: Templates = ()
    network: bool = False


@quick_init
@dataclass(frozen=True)
class PlayerContext:
    """What the user prompt of one model in one step is made from.

    Args:
        step: The step's number, from 1.
        max_steps: The most steps of the episode.
        identity: The part of the prompt that stays the same for this model throughout the episode.
        heard: The messages that reached the model.
        observation_text: The game's own words for what the model sees.
        choices: The labels of the legal actions, in the prompt's language.
        feed: The posts that the model sees in the social network.
        horizon: The task's. Where it is not announced, the prompt does not show the step.
        note: The model's own private note of this step.
        network: What the model sees where the task is a social network.
        announced: Texts that an event of the scenario shows it in this step.
        remembered: Lines on earlier steps, oldest first; they come before what changes from step to step.
        addressee: Who alone gets its message; empty where everyone in reach does.
    """

    step: int
    max_steps: int
    identity: str
    heard: Sequence[HeardMessage]
    observation_text: str
    choices: Sequence[str] = ()
    feed: Sequence[FeedPost] = ()
    horizon: HorizonFacts | None = None
    note: str = ""
    network: NetworkView | None = None
    announced: Sequence[str] = ()
    remembered: Sequence[str] = ()
    addressee: str = ""


def system_prompt(common: EpisodeContext) -> str:
    """Return the system prompt, which all models of an episode share."""
    return _render(
        common.language,
        common.templates,
        "network_system" if common.network else "system",
        task=common.task,
        mode=common.mode.value,
        others=common.others,
        rules=common.rules,
        whole=common.whole,
    )


def identity(
    language: Language, config: ModelConfig, strategy: Strategy, templates: Templates = (), network: bool = False
) -> str:
    """Return the part of a model's prompt that says who it is and how it should play; the same all episode long."""
    return _render(
        language,
        templates,
        "network_identity" if network else "identity",
        model_id=config.model_id,
        role=config.role.value,
        role_name=ROLE_NAMES_ZH[config.role],
        team_id=config.team_id,
        specialization=text_in(config.specialization, language),
        persona=text_in(config.persona, language),
        strategy=strategy,
        stance_name=STANCE_NAMES_ZH[strategy.mode],
        decision_name=DECISION_NAMES_ZH[strategy.decision_making],
    )


def user_prompt(purpose: Purpose, language: Language, own: PlayerContext, templates: Templates = ()) -> str:
    """Return the user prompt of one model in one step; it ends with the instruction for `purpose`."""
    heard = [message.lines.get(language) or message.line(language, templates) for message in own.heard]
    network = _render(language, templates, "network", view=own.network) if own.network else ""
    variables = {**vars(own), "heard": heard, "network": network}
    del variables["note"], variables["choices"]  # they are no part of the situation
    situation = _fill(language, templates, "situation", variables)
    note = f"{_render(language, templates, 'own_note', note=own.note)}\n" if own.note else ""
    return f"{situation}\n{note}{_instruction(language, templates, purpose, tuple(own.choices))}".strip()


@lru_cache(maxsize=1024)
def _instruction(language: Language, templates: Templates, purpose: Purpose, choices: tuple[str, ...]) -> str:
    """Return what the model should do; rendered once for all models that have the same choices."""
    return _render(language, templates, purpose.value, choices=choices)


@dataclass(frozen=True)
class Question:
    """A question to a model alone, outside of what it plays.

    Args:
        text: The question.
        scale: The least and the greatest answer, whole numbers; None for an answer in the model's own words.
    """

    text: str
    scale: tuple[int, int] | None = None

    @property
    def points(self) -> tuple[int, ...]:
        """Return the answers there are; empty where the answer is free text."""
        return () if self.scale is None else tuple(range(self.scale[0], self.scale[1] + 1))


def with_question(
    asked: AskedPrompt, question: Question, language: Language, templates: Templates = ()
) -> tuple[ChatMessage, ...]:
    """Return the prompt that puts a question in place of what a model was asked to do.

    Raises:
        SocietyError: The prompt does not end with the instruction of these templates.
    """
    *before, last = asked.messages
    instruction = _instruction(language, templates, asked.key.purpose, tuple(asked.choices or ()))
    if not last.content.endswith(instruction):
        raise SocietyError(
            f"{asked.key.place}: the prompt does not end with the instruction of this version's templates"
        )
    situation = last.content[: len(last.content) - len(instruction)]
    points = tuple(map(str, question.points))
    asks = _render(language, templates, Purpose.INTERVIEW.value, question=question.text, choices=points)
    return (*before, ChatMessage(last.role, f"{situation}{asks}"))


@dataclass(frozen=True)
class Graded:
    """A message that a judge grades, with what the judge knows of it; `step` counts from 1."""

    text: str
    role: ModelRole
    mode: TrainingMode
    rules: str
    step: int
    max_steps: int


def judge_prompt(
    language: Language, graded: Graded, scale: Sequence[str], templates: Templates = ()
) -> tuple[ChatMessage, ...]:
    """Return the prompt that asks a judge to grade a message.

    Args:
        language: The prompt's language.
        graded: The message and its context.
        scale: The grades the judge may give.
        templates: Templates in place of the shipped ones.
    """
    user = _render(
        language,
        templates,
        "judge",
        step=graded.step,
        max_steps=graded.max_steps,
        role=graded.role.value,
        role_name=ROLE_NAMES_ZH[graded.role],
        mode=graded.mode.value,
        mode_name=MODE_NAMES_ZH[graded.mode],
        text=graded.text,
        scale=scale,
    )
    return chat(_render(language, templates, "judge_system", rules=graded.rules), user)


def chat(system: str, user: str) -> tuple[ChatMessage, ...]:
    """Return a system and a user prompt as chat messages."""
    return (ChatMessage("system", system), ChatMessage("user", user))


def _render(language: Language, templates: Templates, purpose: str, /, **variables: Any) -> str:
    return _fill(language, templates, purpose, variables).strip()


def _fill(language: Language, templates: Templates, purpose: str, variables: dict[str, Any]) -> str:
    render, empty = _template(language, templates, purpose)
    try:
        return "".join(render(_context_of(empty, variables)))
    except Exception as error:
        if purpose not in dict(templates):
            raise
        raise SocietyError(
            f"prompt_templates: {purpose}.j2 cannot be filled in: {type(error).__name__}: {error}"
        ) from error


@lru_cache(maxsize=1024)
def _template(
    language: Language, templates: Templates, purpose: str
) -> tuple[Callable[[Context], Iterator[str]], Context]:
    """Return what renders a template, and a context of it without variables."""
    own = dict(templates).get(purpose)
    shipped = f"{language.value}/{purpose}.j2"
    found = environment().get_template(shipped) if own is None else environment().from_string(own)
    return found.root_render_func, found.new_context({}, shared=True)


class _Variables(dict[str, Any]):
    """The variables of a template, and those that it sets itself."""

    def __missing__(self, _name: str) -> object:
        from jinja2.utils import missing

        return missing


def _context_of(empty: Context, variables: dict[str, Any]) -> Context:
    """Return a template's context with these variables, and without Jinja's globals.

    It is what `Template.new_context` makes, which copies the globals and takes longer than most templates. A variable
    is looked up by the dictionary itself: Jinja's own look-up is a function of Python.
    """
    own = _Variables(variables)
    context = changed(empty, resolve_or_missing=own.__getitem__)
    context.parent = context.vars = own
    context.exported_vars, context.eval_ctx = set(), changed(empty.eval_ctx)
    return context


ROLE_NAMES_ZH = {
    ModelRole.LEADER: "领导者",
    ModelRole.FOLLOWER: "跟随者",
    ModelRole.COMPETITOR: "竞争者",
    ModelRole.TEAMMATE: "队友",
    ModelRole.NEUTRAL: "中立",
}
MODE_NAMES_ZH = {
    TrainingMode.COOPERATIVE: "协同",
    TrainingMode.COMPETITIVE: "竞争",
    TrainingMode.TEAM_BATTLE: "组队博弈",
    TrainingMode.MIXED: "混合",
}
STANCE_NAMES_ZH = {Stance.COOPERATIVE: "协同", Stance.COMPETITIVE: "竞争", Stance.TEAM: "团队"}
DECISION_NAMES_ZH = {
    DecisionMaking.CENTRALIZED: "集中",
    DecisionMaking.DELEGATED: "听从领导",
    DecisionMaking.CONSENSUS: "协商一致",
    DecisionMaking.INDEPENDENT: "独立",
}

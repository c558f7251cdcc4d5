"""Prompts from templates: `prompts/<language>/<purpose>.j2`, one per purpose and language.

The system prompt is the same for every model of an episode; the user prompt starts with the step and ends
with what is the model's own, so that a server's prefix cache serves all models of one adapter. A variable a
template names and nobody gives is an error, never a blank.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import ChatMessage, Purpose
from agents.language import Language
from agents.role import ModelRole
from agents.roster import ModelConfig
from agents.social import FeedPost
from agents.strategy import DecisionMaking, Stance, Strategy, TaskFacts, TrainingMode

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent / "prompts"

_MARK = re.compile(r"<(?=[|｜/a-zA-Z])|\[(?=/?[A-Z_]{2,}\])")
"""How special tokens begin: `<|im_end|>`, `</s>`, `<end_of_turn>`, DeepSeek's `<｜`, Mistral's `[/INST]`."""


@dataclass(frozen=True)
class HeardMessage:
    """A message as its hearers read it; one object serves all of them, so that it is put in words once."""

    sender: str
    team_id: str | None
    text: str
    _lines: dict[Language, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def line(self, language: Language) -> str:
        """The line that it is in a prompt."""
        if language not in self._lines:
            self._lines[language] = _fill(language, "heard", sender=self.sender, team_id=self.team_id, text=self.text)
        return self._lines[language]


@dataclass(frozen=True)
class EpisodeContext:
    """What every model of an episode is told; `others` counts the other models, `whole` says that the topology
    connects all of them."""

    task: TaskFacts
    mode: TrainingMode
    others: int
    rules: str
    language: Language
    whole: bool = True


@dataclass(frozen=True)
class PlayerContext:
    """What one model is told in one step: `identity` is who it is in this episode, `choices` are the legal actions as
    they read in its language, `feed` the posts it sees in the social network."""

    step: int
    max_steps: int
    identity: str
    heard: Sequence[HeardMessage]
    observation_text: str
    choices: Sequence[str] = ()
    feed: Sequence[FeedPost] = ()


def system_prompt(common: EpisodeContext) -> str:
    """The part all models of an episode share."""
    return _render(
        common.language,
        "system",
        task=common.task,
        mode=common.mode.value,
        others=common.others,
        rules=common.rules,
        whole=common.whole,
    )


def identity(language: Language, config: ModelConfig, strategy: Strategy) -> str:
    """Who a model is and how it is to play: the part that is its own for a whole episode."""
    return _render(
        language,
        "identity",
        model_id=config.model_id,
        role=config.role.value,
        role_name=ROLE_NAMES_ZH[config.role],
        team_id=config.team_id,
        specialization=config.specialization,
        persona=config.persona,
        strategy=strategy,
        stance_name=STANCE_NAMES_ZH[strategy.mode],
        decision_name=DECISION_NAMES_ZH[strategy.decision_making],
    )


def user_prompt(purpose: Purpose, language: Language, own: PlayerContext) -> str:
    """The part that is one model's own in one step, and the task that `purpose` says."""
    situation = _fill(
        language,
        "situation",
        step=own.step,
        max_steps=own.max_steps,
        identity=own.identity,
        heard=[message.line(language) for message in own.heard],
        observation_text=own.observation_text,
        feed=own.feed,
    )
    return f"{situation}\n{_wanted(language, purpose, tuple(own.choices))}".strip()


@lru_cache(maxsize=1024)
def _wanted(language: Language, purpose: Purpose, choices: tuple[str, ...]) -> str:
    """What the model is to do; one sentence for all that have the same choices."""
    return _render(language, purpose.value, choices=choices)


@dataclass(frozen=True)
class Graded:
    """A message as a judge is told of it; `step` counts from 1."""

    text: str
    role: ModelRole
    mode: TrainingMode
    rules: str
    step: int
    max_steps: int


def judge_prompt(language: Language, graded: Graded, scale: Sequence[str]) -> tuple[ChatMessage, ...]:
    """What a judge is asked: to grade a message on `scale` by the rubric, which is the same for all of a task."""
    user = _render(
        language,
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
    return chat(_render(language, "judge_system", rules=graded.rules), user)


def chat(system: str, user: str) -> tuple[ChatMessage, ...]:
    """A system and a user prompt as chat messages."""
    return (ChatMessage("system", system), ChatMessage("user", user))


def one_line(text: str) -> str:
    """A heard text on one line and with every chat-template mark broken, so that it cannot pose as another part of
    the prompt or end its sender's turn."""
    return _MARK.sub(r"\g<0> ", " ".join(text.split()))


def _render(language: Language, purpose: str, **variables: Any) -> str:
    return _fill(language, purpose, **variables).strip()


def _fill(language: Language, purpose: str, **variables: Any) -> str:
    # what Template.render does but for Jinja's globals, whose copying costs more than a prompt
    template = _template(language, purpose)
    return "".join(template.root_render_func(template.new_context(variables, shared=True)))


@cache
def _template(language: Language, purpose: str) -> Template:
    return _templates().get_template(f"{language.value}/{purpose}.j2")


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(FOLDER)
    # plain-text prompts for a language model: HTML escaping would change what the model reads
    templates = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, auto_reload=False)
    templates.filters["one_line"] = one_line
    return templates


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

"""The tables of a run, column by column: name, type and meaning. `Run.describe()` prints this."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class TableName(str, Enum):
    AGENTS = "agents"
    EPISODES = "episodes"
    STEPS = "steps"
    MESSAGES = "messages"
    ACTS = "acts"
    DECISIONS = "decisions"
    CALLS = "calls"
    OUTCOMES = "outcomes"
    POSTS = "posts"
    NETWORK = "network"
    INTERVIEWS = "interviews"
    EVENTS = "events"


class Column(NamedTuple):
    """A column.

    Attributes:
        name: Its name.
        kind: How it is stored: pandas' name for its type, or `category`, which stores each text once.
        meaning: What it holds.
    """

    name: str
    kind: str
    meaning: str

    @property
    def dtype(self) -> str:
        """Return pandas' name for its type in a DataFrame: plain, as a `groupby` of categories has a row for each of
        their combinations."""
        return {CATEGORY: TEXT, NUMBERS: TUPLE}.get(self.kind, self.kind)


TEXT, COUNT, REAL, FLAG, CATEGORY = "string", "int64", "float64", "bool", "category"
TUPLE = "object"
"""A tuple of texts."""
NUMBERS = "numbers"
"""A tuple of real numbers."""

_SYNTHETIC = Column("synthetic", FLAG, "True where the game's outcome is a formula over words, not play")
_EPISODE = Column("episode", COUNT, "episode index, from 0: index 0 is the episode 1 that every other surface shows")
_STEP = Column("step", COUNT, "step index within the episode, from 0: index 0 is step 1 on every other surface")
_REASONING = Column("reasoning", TEXT, "what the model thought before it answered; no other model reads it")
_TASK = (
    Column("task_id", CATEGORY, "the task played"),
    Column("task_type", CATEGORY, "its game"),
    Column("mode", CATEGORY, "mode played: cooperative, competitive or team_battle"),
    _SYNTHETIC,
)
_SOURCE = (
    Column("tier", CATEGORY, "where the text came from: camel, http, embedded, simulated, scripted or human"),
    Column("adapter", CATEGORY, "adapter that was asked, or scripted policy; `tier` says who answered"),
    Column("endpoint", CATEGORY, "server URL; empty without a server"),
    Column("latency", REAL, "seconds the answer took"),
    Column("fallback_from", CATEGORY, "tiers that failed before it, best first: camel>http; empty when none did"),
)

TABLES: Mapping[TableName, tuple[Column, ...]] = {
    TableName.AGENTS: (
        Column("model_id", TEXT, "the model's id in the roster; one row per model"),
        Column("model_name", CATEGORY, "served adapter name; empty for a scripted player"),
        Column("policy", CATEGORY, "scripted policy, or human for a person; empty for a model"),
        Column("role", CATEGORY, "leader, follower, competitor, teammate or neutral"),
        Column("team_id", CATEGORY, "team; missing without one"),
        Column("specialization", CATEGORY, "the specialization in its prompt"),
        Column("base_model", CATEGORY, "the roster's base model"),
        Column("lora_rank", REAL, "rank of the adapter, where the roster says"),
        Column("lora_alpha", REAL, "alpha of the adapter, where the roster says"),
        Column("oasis_agent_id", COUNT, "the agent's id in oasis.db"),
        Column("part", CATEGORY, "focal or background in a population run; missing elsewhere"),
    ),
    TableName.EPISODES: (
        Column("episode", COUNT, "episode index, from 0 (episode 1 elsewhere); one row per episode"),
        *_TASK,
        Column("mode_reason", TEXT, "why this mode: the scenario, or a mixed run's policy with its figures"),
        Column("reward_pool", REAL, "reward shared out at the end"),
        Column("cooperation_level", REAL, "the task's cooperation level, 0-1"),
        Column("difficulty", REAL, "the task's difficulty, 0-1"),
        Column("steps", COUNT, "steps played"),
        Column("duration", REAL, "seconds the episode took; missing where an earlier session began it"),
        Column("tier", CATEGORY, "the lowest tier any text of the episode came from"),
        Column("real_share", REAL, "share of its texts that a language model generated, 0-1"),
        Column("welfare", REAL, "sum of payoffs over all models and steps"),
        Column("gini", REAL, "Gini coefficient of the models' payoffs, 0-1; missing where a payoff is negative"),
        Column("optimum", REAL, "best possible welfare"),
        Column("nash", REAL, "welfare of the equilibrium the game's docstring names; missing where it knows none"),
    ),
    TableName.STEPS: (
        _EPISODE,
        _STEP,
        Column("model_id", CATEGORY, "the model; one row per model and step"),
        Column("payoff", REAL, "payoff of this step, in the game's units"),
        Column("cooperation", REAL, "cooperation level of the action, 0-1; missing when invalid"),
        Column("total_payoff", REAL, "payoff of the episode so far"),
        Column("tier", CATEGORY, "tier of the model's decision; none where it had nothing to decide"),
        _SYNTHETIC,
        Column("duration", REAL, "seconds the step took, for all models together; missing as in episodes"),
    ),
    TableName.MESSAGES: (
        _EPISODE,
        _STEP,
        Column("talk_round", COUNT, "talk round index within the step, from 0"),
        Column("sender", CATEGORY, "model that wrote it; one row per message"),
        Column("team_id", CATEGORY, "the sender's team; missing without one"),
        Column("addressees", TUPLE, "tuple of the model ids it was sent to: topology and mode let them hear it"),
        Column("audience", TUPLE, "tuple of the model ids that heard it, after inbox limit and treatment"),
        Column("text", TEXT, "the whole text"),
        *_SOURCE,
        _SYNTHETIC,
        Column("oasis_message_id", COUNT, "message_id in group_messages of oasis.db"),
        Column("oasis_group_id", COUNT, "group_id in chat_group of oasis.db"),
        _REASONING,
    ),
    TableName.ACTS: (
        _EPISODE,
        _STEP,
        Column("model_id", CATEGORY, "model that acted in the social network; one row per model and step"),
        Column("action", CATEGORY, "create_post, like_post, ..., by OASIS's names; missing when invalid"),
        Column("arguments", TEXT, "its arguments as JSON, by OASIS's parameter names; empty when invalid"),
        Column("success", FLAG, "whether OASIS carried it out"),
        Column("error", TEXT, "OASIS's refusal, or why the reply is no legal action; empty where it succeeded"),
        Column("text", TEXT, "the tool call's arguments, or the reply where there was no call, as they came"),
        Column("asks", COUNT, "answers asked for: 1, or 2 where the first was not legal"),
        *_SOURCE,
        _SYNTHETIC,
        _REASONING,
    ),
    TableName.DECISIONS: (
        _EPISODE,
        _STEP,
        Column("model_id", CATEGORY, "model that decided; one row per model and step in which it had a choice"),
        Column("action", CATEGORY, "the action in the game's words; missing when invalid"),
        Column("played", CATEGORY, "the action that noise carried out in its place; missing where it did not"),
        Column("valid", FLAG, "False when neither answer was a legal action"),
        Column("text", TEXT, "the reply as it came"),
        Column("asks", COUNT, "answers asked for: 1, or 2 where the first was not legal"),
        *_SOURCE,
        _SYNTHETIC,
        Column("choice_probability", REAL, "the model's own probability of its choice, where measured"),
        Column("reading", CATEGORY, "how it was read: constrained, exact, extracted, invalid; empty in older runs"),
        Column("note", TEXT, "the private note that the model wrote before it; empty without one"),
        _REASONING,
    ),
    TableName.CALLS: (
        _EPISODE,
        _STEP,
        Column("model_id", CATEGORY, "model the call was made for; one row per attempt"),
        Column(
            "purpose",
            CATEGORY,
            "summary, address, talk, act, note, decide, or interview: a question outside of the play",
        ),
        Column("talk_round", COUNT, "talk round index within the step, from 0; of an interview, its survey's index"),
        Column("ask", COUNT, "0, or 1 where an invalid reply was asked again; of an interview, the draw"),
        *_SOURCE[:3],
        Column("attempt", COUNT, "attempt at this tier, from 1"),
        Column("status", CATEGORY, "ok, failed, cancelled (the run was stopped) or cached (no call was made)"),
        Column("fault", CATEGORY, "whose fault a failure is: request, adapter or server; empty when ok"),
        Column("error_class", CATEGORY, "class of the error; empty when ok"),
        Column("error", TEXT, "class and text of the error; empty when ok"),
        Column("latency", REAL, "seconds from sending to the whole reply, or to the failure"),
        Column("fallback_from", CATEGORY, "tiers that failed before, best first; empty when none did or when failed"),
        _SYNTHETIC,
        Column("queue_time", REAL, "seconds spent waiting for a free slot before it was sent"),
        Column("first_token_time", REAL, "seconds from sending to the first token, where the tier reports it"),
        Column("prompt_tokens", REAL, "tokens of the prompt, where reported"),
        Column("completion_tokens", REAL, "tokens of the reply, where reported"),
        Column("cached_tokens", REAL, "tokens of the prompt that the server's prefix cache held, where reported"),
        Column("reasoning_tokens", REAL, "tokens of the thought, among completion_tokens, where reported"),
        Column("finish_reason", CATEGORY, "stop, length, ...; empty when failed"),
        Column("empty", FLAG, "True for a reply with neither text nor tool call"),
        Column("prompt_hash", TEXT, "SHA-256 of the canonical request"),
    ),
    TableName.OUTCOMES: (
        _EPISODE,
        *_TASK,
        Column("model_id", CATEGORY, "the model; one row per model and episode"),
        Column("model_name", CATEGORY, "served adapter name, or policy:NAME, that the roster names"),
        Column("player", CATEGORY, "who played: model_name, simulated ROLE without a language model, or not asked"),
        Column("role", CATEGORY, "leader, follower, competitor, teammate or neutral"),
        Column("team_id", CATEGORY, "team; missing without one"),
        Column("specialization", CATEGORY, "the specialization in its prompt"),
        Column("tier", CATEGORY, "the lowest tier any of its texts in the episode came from"),
        Column("real_share", REAL, "share of its texts that a language model generated, 0-1"),
        Column("texts", COUNT, "its texts in the episode: messages, decisions and social actions"),
        Column("simulated", COUNT, "how many of them a scripted policy gave in place of a language model"),
        Column("payoff", REAL, "payoff of the episode, in the game's units"),
        Column("accuracy", REAL, "closeness to the best response or right answer, 0-1, as the game defines it"),
        Column(
            "efficiency",
            REAL,
            "achieved / best possible welfare, 0-1; missing where the best is 0 or less",
        ),
        Column("cooperation_score", REAL, "mean cooperation level of its actions, 0-1; missing when all invalid"),
        Column("reward_earned", REAL, "its part of the reward pool; an episode's parts add up to the pool"),
        Column("completion_time", REAL, "seconds its own replies took, summed"),
        Column("messages_sent", COUNT, "messages it sent"),
        Column("invalid_decisions", COUNT, "decisions that were no legal action"),
        Column("welfare", REAL, "welfare of the episode"),
        Column("gini", REAL, "Gini coefficient of the episode's payoffs, 0-1; missing where a payoff is negative"),
        Column("optimum", REAL, "best possible welfare of the episode"),
        Column("nash", REAL, "welfare of the episode at the named equilibrium; missing where the game knows none"),
    ),
    TableName.POSTS: (
        _EPISODE,
        _STEP,
        Column("time", TEXT, "the simulated clock"),
        Column("item", COUNT, "its number in the episode, from 1; posts and comments are counted together"),
        Column("author", CATEGORY, "model that published it; one row per post, repost, quote or comment"),
        Column("kind", CATEGORY, "post, repost, quote or comment"),
        Column("parent", COUNT, "item that it shares, quotes or comments on, as it was shown; 0 for a post"),
        Column("root", COUNT, "post at the beginning of its cascade; its own number for a post"),
        Column("text", TEXT, "its own text; empty for a repost"),
        Column("likes", COUNT, "likes at the end; those of a repost count at the post that it shares"),
        Column("dislikes", COUNT, "dislikes at the end"),
        Column("shares", COUNT, "reposts and quotes of it"),
        Column("comments", COUNT, "comments on it"),
        Column("reports", COUNT, "reports of it"),
        Column("impressions", COUNT, "how often it was shown in a feed or a search, shown reposts of it included"),
        Column("tier", CATEGORY, "where the act came from; none for a post that no act published"),
        _SYNTHETIC,
    ),
    TableName.NETWORK: (
        _EPISODE,
        Column("model_id", CATEGORY, "the model; one row per model and episode of a social network"),
        Column("acts", COUNT, "steps in which it acted"),
        Column("posts", COUNT, "posts, reposts and quotes that it published"),
        Column("comments_made", COUNT, "comments that it wrote"),
        Column("reach", COUNT, "different models that were shown one of its posts"),
        Column("impressions", COUNT, "how often its posts were shown"),
        Column("likes", COUNT, "likes that its posts and comments have at the end"),
        Column("dislikes", COUNT, "dislikes that they have at the end"),
        Column("shares", COUNT, "reposts and quotes of its posts"),
        Column("comments", COUNT, "comments on its posts"),
        Column("followers_gained", COUNT, "followers at the end less those at the beginning"),
        Column("influence", COUNT, "items of others below one of its items in a cascade"),
        Column("tier", CATEGORY, "the lowest tier any of its acts came from; none where it never acted"),
        _SYNTHETIC,
    ),
    TableName.INTERVIEWS: (
        _EPISODE,
        _STEP,
        Column("model_id", CATEGORY, "model that was asked after the step; one row per model and question"),
        Column("source", CATEGORY, "survey: asked in the run, as its scenario says; ask: asked afterwards"),
        Column("survey", COUNT, "which of the scenario's surveys, from 0; -1 for one asked afterwards"),
        Column("question", TEXT, "the question, which no prompt of the run has"),
        Column("scale", CATEGORY, "the least and the greatest answer, as 1..7; empty for an answer in free words"),
        Column("answer", TEXT, "the first reply as it came"),
        Column("point", REAL, "its point on the scale; missing for free words, and where it is none of the points"),
        Column("shares", NUMBERS, "tuple of the probability of each point, the least first; empty where not known"),
        Column("mean", REAL, "mean of that distribution, in points"),
        Column("variance", REAL, "its variance"),
        Column("low", REAL, "lower end of the mean's 95% interval; the mean itself where it is exact or a rule's"),
        Column("high", REAL, "upper end of it"),
        Column("measured", CATEGORY, "exact, drawn (counted answers), rule (no model: one point), text (no scale)"),
        Column("draws", COUNT, "answers that were counted; 1 where the probabilities are exact"),
        Column("asks", COUNT, "answers asked for"),
        *_SOURCE,
        _SYNTHETIC,
        Column("prompt_tokens", REAL, "tokens of all its prompts, where reported"),
        Column("completion_tokens", REAL, "tokens of all its replies, where reported"),
        _REASONING,
    ),
    TableName.EVENTS: (
        _EPISODE,
        _STEP,
        Column("number", COUNT, "which of the step's events, from 0; one row per event, which happens before its step"),
        Column("kind", CATEGORY, "show, post, vote, set, mute or adapter"),
        Column("to", TUPLE, "tuple of the model ids it happened to"),
        Column("detail", TEXT, "what happened, as JSON: the text shown, the values set, ..."),
        Column("source", CATEGORY, "scenario, or the id of the line of `society say`"),
        _SYNTHETIC,
    ),
}

OPTIONAL_TABLES = frozenset({TableName.POSTS, TableName.NETWORK, TableName.INTERVIEWS, TableName.EVENTS})
"""Tables that have no file where they have no row."""

KEYS: Mapping[TableName, tuple[str, ...]] = {
    TableName.AGENTS: ("model_id",),
    TableName.EPISODES: ("episode",),
    TableName.STEPS: ("episode", "step", "model_id"),
    TableName.MESSAGES: ("episode", "step", "talk_round", "sender"),
    TableName.ACTS: ("episode", "step", "model_id"),
    TableName.DECISIONS: ("episode", "step", "model_id"),
    TableName.OUTCOMES: ("episode", "model_id"),
    TableName.POSTS: ("episode", "item"),
    TableName.NETWORK: ("episode", "model_id"),
    TableName.EVENTS: ("episode", "step", "number"),
}
"""What tells a table's rows apart within a run, and so what they are joined by; a call has no key of its own."""

RUN_COLUMNS = (
    Column("run", CATEGORY, "the run's directory"),
    Column("scenario", CATEGORY, "the scenario's name"),
    Column("seed", COUNT, "the run's seed"),
)
"""What stands before every table's columns where many runs are loaded together."""

SUMMARY_KEYS = ("model_id", "model_name", "role", "team_id", "task_type", "mode", "tier")
"""What a mean outcome is over: one model in one game, mode and tier. Nothing of these is averaged together."""
SUMMARY_FIGURES = ("accuracy", "efficiency", "cooperation_score", "reward_earned", "payoff")

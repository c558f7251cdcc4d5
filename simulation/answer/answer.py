"""`RunAnswer`: what a run says to a reader in ten seconds. A value; `words.py` puts it into sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.provenance import CallStatus, Tier
from agents.yaml_file import display
from simulation.answer.best import Part, best_of
from simulation.answer.honesty import HonestyBanner, honesty_of
from simulation.answer.nearness import Nearness, nearness_of
from simulation.answer.quotes import Quote, quotes_of
from simulation.answer.standings import named_outcomes
from simulation.metrics.registry import LEAST_UNITS
from simulation.metrics.replies import unanswered_servers
from simulation.plan import Plan
from simulation.task import NETWORK

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

MEMORY = (
    "Models have no memory: a prompt holds the rules, the messages of the step and what the game shows, mostly the "
    "last step. What was said or done before that is in no prompt."
)
NETWORK_MEMORY = (
    "In a social network models have no memory: a prompt holds what is shown now, the feed and what the last search "
    "found. What a model did before is in it only where a feed shows it."
)
REMEMBERED = (
    "Models remember the {steps} of an episode ({parts}); what was said or done before that, or in other episodes, is "
    "in no prompt."
)
"""What models know of earlier steps."""


@dataclass(frozen=True)
class Played:
    """What was played, by whom, and what it cost.

    Attributes:
        games: Each game with its mode, once.
        players: How many models each player stands for: an adapter, a policy, a person or a stand-in.
        models: All models.
        episodes: Episodes that ended.
        steps: Steps of these episodes.
        messages: Messages that were sent, with text or without.
        tiers: Messages, decisions and social actions by the tier of their text.
        calls: Calls that were made.
        prompt_tokens: Tokens of their prompts, where reported.
        completion_tokens: Tokens of their replies, where reported.
        seconds: Seconds that the episodes took, where known.
        seed: The run's seed.
        decisions: Decisions that were made.
        changed: Those of them that noise carried out as another option.
    """

    games: tuple[tuple[str, str], ...]
    players: dict[str, int]
    models: int
    episodes: int
    steps: int
    messages: int
    tiers: dict[str, int]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    seed: int
    decisions: int
    changed: int


@dataclass(frozen=True)
class RunAnswer:
    """What a run answers.

    Attributes:
        scenario: The scenario's name.
        run: The run's directory.
        state: finished, stopped, running or cut off.
        mode: The scenario's mode.
        played: What was played by whom.
        best: Who did best, by game and mode; empty where no episode ended.
        quotes: What they said: at most three messages, chosen by the rules of `quotes.py`.
        nearness: How near to the optimum and to equilibrium, by game, mode and tier.
        doubts: What to distrust, a sentence each.
        notes: What is so in every run, a sentence each.
    """

    scenario: str
    run: str
    state: str
    mode: str
    played: Played
    best: tuple[Part, ...]
    quotes: tuple[Quote, ...]
    nearness: tuple[Nearness, ...]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def answer_of(run: Run) -> RunAnswer:
    """Return what a run answers, finished or not."""
    banner, rows = honesty_of(run), named_outcomes(run)
    best = best_of(run, rows)
    return RunAnswer(
        scenario=str(run.manifest["scenario"]["name"]),
        run=display(run.path),
        state=banner.status,
        mode=Plan.of(run.manifest).scenario.mode.value,
        played=_played(run, banner, rows),
        best=best,
        quotes=quotes_of(run, best[0]) if best else (),
        nearness=nearness_of(run),
        doubts=tuple(_doubts(run, banner, best)),
        notes=tuple(_memory(run)) if any(row.model_name for row in run.roster.expand()) else (),
    )


def _memory(run: Run) -> Iterator[str]:
    """Yield what models know of earlier steps, as `agents.prompts` makes their prompts."""
    scenario = Plan.of(run.manifest).scenario
    if window := scenario.memory.window:
        parts = ", ".join(part.value for part in scenario.memory.of)
        yield REMEMBERED.format(steps=f"last {window} steps" if window > 1 else "last step", parts=parts)
        return
    networks = [task.task_type == NETWORK for task in scenario.tasks]
    if not all(networks):
        yield MEMORY
    if any(networks):
        yield NETWORK_MEMORY


def _played(run: Run, banner: HonestyBanner, rows: pd.DataFrame) -> Played:
    episodes = run.episodes
    names = rows.drop_duplicates(["model_id", "adapter"])["adapter"].value_counts(sort=False)
    planned = [row.played_by for row in run.roster.expand()]
    made = run.calls[run.calls["status"] == CallStatus.OK.value]
    games = episodes.drop_duplicates(["task_type", "mode"])[["task_type", "mode"]].astype(str)
    return Played(
        games=tuple(games.itertuples(index=False, name=None)),
        players={str(name): int(count) for name, count in names.items()}
        or {name: planned.count(name) for name in dict.fromkeys(planned)},
        models=len(run.agents),
        episodes=len(episodes),
        steps=int(episodes["steps"].sum()),
        messages=len(run.messages),
        tiers=banner.tiers,
        calls=banner.calls,
        prompt_tokens=int(made["prompt_tokens"].sum()),
        completion_tokens=int(made["completion_tokens"].sum()),
        seconds=float(episodes["duration"].sum()),
        seed=int(run.manifest["seed"]),
        decisions=banner.decisions,
        changed=int(run.decisions["played"].notna().sum()),
    )


def _doubts(run: Run, banner: HonestyBanner, best: tuple[Part, ...]) -> Iterator[str]:
    """Yield what to distrust, the worst first."""
    simulated, texts = banner.tiers.get(Tier.SIMULATED.value, 0), sum(banner.tiers.values())
    if simulated:
        yield (
            f"SIMULATED: {simulated} of {texts} texts. Scripted policies played by role, no language model did: "
            "figures of simulated rows say nothing of adapters."
        )
    if servers := unanswered_servers(run):
        yield f"NO SERVER ANSWERED at {', '.join(servers)}, which was named: other tiers did."
    if banner.synthetic:
        yield f"SYNTHETIC: {banner.synthetic:.0%} of outcomes are a formula over words, not play."
    if banner.status != "finished":
        reason = str(run.manifest["reason"] or "")
        yield f"The run is {banner.status}{f' ({reason})' if reason else ''}: this is what it had reached."
    if banner.treatment != "delivered":
        yield f"Messages were {banner.treatment} before they were heard."
    if len(run.events):
        kinds = run.events["kind"].astype(str).value_counts(sort=False)
        told = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
        yield f"Events happened to the run (run.events): {told}."
    yield from (f"{text[:1].upper()}{text[1:]}." for text in banner.problems)
    yield from banner.unproved
    if banner.people:
        yield f"People played: {', '.join(banner.people)}."
    few = [part.episodes for part in best if part.episodes < LEAST_UNITS]
    if few:
        yield f"Too few episodes for an interval: {min(few)}, need {LEAST_UNITS}. Another seed may rank them otherwise."

"""Events -> tables, row by row; the events of a large block become columns at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agents.inference.provenance import Tier, fallen
from agents.interviews import Measured
from agents.roster import Roster
from agents.roster_rules import clone_ids
from simulation.interviews.scale import opinion_of
from simulation.store.blocks import EventBlock
from simulation.store.events import (
    CallMade,
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    MessageSent,
    RunResumed,
    SocialActed,
    StepResolved,
)
from simulation.store.history import recorded_move
from simulation.store.intervention_events import EventHappened
from simulation.store.interviews import InterviewAnswered
from simulation.store.network_events import PostSeeded
from simulation.store.rows import Cells, Rows, Same
from simulation.tables.blocks import block_table
from simulation.tables.columns import TABLES, Column, TableName
from simulation.tables.network import NetworkEpisode
from simulation.tables.parquet import Part, joined, without
from simulation.tables.players import player_name
from simulation.task import NETWORK

if TYPE_CHECKING:
    import pandas as pd

    from agents.inference.provenance import CallRecord

Row = dict[str, Any]
SURVEY, ASK = "survey", "ask"
"""Where a row of `interviews` is from: the run's events, or questions asked afterwards."""
_OF_EPISODES = (TableName.INTERVIEWS, TableName.EVENTS)
"""What is derived again where an episode is played again, besides messages, acts, decisions and steps."""


class TableBuilder:
    """Collects the rows of every table from a run's events, in order."""

    def __init__(self) -> None:
        self.rows: dict[TableName, list[Row]] = {name: [] for name in TABLES}
        self._parts: defaultdict[TableName, list[Part]] = defaultdict(list)
        self._started: dict[int, EpisodeStarted] = {}
        self._tiers: dict[str, str] = {}  # of this step's decisions
        self._networks: dict[int, NetworkEpisode] = {}
        self._names: list[str] = []
        self._texts: dict[int, Counter[tuple[str, bool]]] = {}  # of an episode: by model, simulated or not

    def add_roster(self, roster: Roster) -> None:
        columns, rows = [column.name for column in TABLES[TableName.AGENTS]], self.rows[TableName.AGENTS]
        for config in roster.models:
            dumped = config.model_dump(mode="json", include=set(columns))
            named = {
                "model_name": config.model_name or "",
                "policy": config.policy or ("human" if config.human else ""),
                "base_model": roster.base_model or "",
            }
            row = {**{name: dumped.get(name) for name in columns}, **named}
            for model_id in clone_ids(config.model_id, config.count):
                rows.append({**row, "model_id": model_id, "oasis_agent_id": len(rows)})
        self._names = [row["model_id"] for row in rows]

    def add(self, event: Event) -> None:
        match event:
            case EpisodeStarted():
                self._begin(event)
            case PostSeeded():
                self._networks[event.episode].seed(event)
            case EventHappened():
                self._happen(event)
            case CallMade():
                self._put(TableName.CALLS, event.record.key.episode, call_row(event.record))
            case MessageSent():
                self._count(event, event.sender)
                self._put(TableName.MESSAGES, event.episode, asdict(event))
            case SocialActed():
                self._act(event)
            case DecisionMade():
                self._tiers[event.model_id] = event.tier
                self._count(event, event.model_id)
                self._put(TableName.DECISIONS, event.episode, {**asdict(event), "valid": event.action is not None})
            case InterviewAnswered():
                self._put(TableName.INTERVIEWS, event.episode, interview_row(event, SURVEY))
            case StepResolved():
                self._resolve(event)
            case EpisodeEnded():
                self._end(event)
            case _:
                self._add_rest(event)

    def _add_rest(self, event: Event) -> None:
        if isinstance(event, EventBlock):
            self._add_block(event)
        elif isinstance(event, RunResumed):
            self._forget(event.episode)

    def _begin(self, event: EpisodeStarted) -> None:
        self._started[event.episode] = event
        self._texts[event.episode] = Counter()
        if event.task_type == NETWORK:
            self._networks[event.episode] = NetworkEpisode(self._names, event.synthetic)

    def _act(self, event: SocialActed) -> None:
        self._count(event, event.model_id)
        self._put(TableName.ACTS, event.episode, asdict(event))
        if event.episode in self._networks:
            self._networks[event.episode].act(event, recorded_move(event))

    def _happen(self, event: EventHappened) -> None:
        self._put(TableName.EVENTS, event.episode, asdict(event))
        if event.kind == "vote":
            self._networks[event.episode].vote(event)

    def _put(self, table: TableName, episode: int, row: Row) -> None:
        started = self._started.get(episode)  # none for a call outside of every episode
        self.rows[table].append({**row, "synthetic": started is not None and started.synthetic})

    def _add_block(self, block: EventBlock) -> None:
        """Add the messages or decisions of a large step."""
        rows, more = block.rows, dict[str, Cells]()
        who = "model_id" if rows.kind is DecisionMade else "sender"
        names, tiers = list(rows.values(who)), list(rows.values("tier"))
        simulated = (tier == Tier.SIMULATED.value for tier in tiers)
        self._texts[block.episode].update(zip(names, simulated, strict=True))
        if rows.kind is DecisionMade:
            self._tiers.update(zip(names, tiers, strict=True))
            more = {"valid": [action is not None for action in rows.values("action")]}
            more |= {} if "played" in rows.columns else {"played": Same(None)}  # an earlier version had no noise
        self._put_rows(TableName.DECISIONS if more else TableName.MESSAGES, block.episode, rows, more)

    def _put_rows(self, table: TableName, episode: int, rows: Rows[Any], more: dict[str, Cells]) -> None:
        """Add rows of a large step or episode to a table, with further columns."""
        columns = {**rows.columns, **more, "synthetic": Same(self._started[episode].synthetic)}
        self._close_rows(table)
        self._parts[table].append(block_table(columns, len(rows), TABLES[table]))

    def _close_rows(self, table: TableName) -> None:
        """Make a part of the rows that were added one by one."""
        if self.rows[table]:
            self._parts[table].append(frame_of(TABLES[table], self.rows[table]))
            self.rows[table] = []

    def _count(self, event: MessageSent | SocialActed | DecisionMade, model_id: str) -> None:
        self._texts[event.episode][model_id, event.tier == Tier.SIMULATED.value] += 1

    def _resolve(self, event: StepResolved) -> None:
        common = {"episode": event.episode, "step": event.step, "duration": event.duration}
        if isinstance(event.rows, Rows):
            tiers = [self._tiers.get(name, "none") for name in event.rows.values("model_id")]
            more: dict[str, Cells] = {**{name: Same(value) for name, value in common.items()}, "tier": tiers}
            self._put_rows(TableName.STEPS, event.episode, event.rows, more)
            self._tiers.clear()
            return
        for row in event.rows:
            tier = self._tiers.get(row.model_id, "none")
            self._put(TableName.STEPS, event.episode, {**common, **asdict(row), "tier": tier})
        self._tiers.clear()

    def _end(self, event: EpisodeEnded) -> None:
        started = asdict(self._started[event.episode])
        whole = {name: value for name, value in asdict(event).items() if name != "outcomes"}
        self.rows[TableName.EPISODES].append({**started, **whole})
        counts = self._texts.pop(event.episode)
        if isinstance(event.outcomes, Rows):
            self._put_outcomes(event.episode, event.outcomes, {**started, **whole}, counts)
            return
        for outcome in event.outcomes:
            simulated, others = (counts[outcome.model_id, flag] for flag in (True, False))
            player = player_name(outcome.model_name, outcome.role, simulated, simulated + others)
            who = {"player": player, "texts": simulated + others, "simulated": simulated}
            self.rows[TableName.OUTCOMES].append({**started, **whole, **asdict(outcome), **who})

    def _put_outcomes(self, episode: int, outcomes: Rows[Any], common: Row, counts: Counter[tuple[str, bool]]) -> None:
        names = list(outcomes.values("model_id"))
        simulated = [counts[name, True] for name in names]
        texts = [count + counts[name, False] for name, count in zip(names, simulated, strict=True)]
        called, roles = outcomes.values("model_name"), outcomes.values("role")
        players = [player_name(*each) for each in zip(called, roles, simulated, texts, strict=True)]
        more: dict[str, Cells] = {name: Same(value) for name, value in common.items() if name not in outcomes.columns}
        more |= {"player": players, "texts": texts, "simulated": simulated}
        self._put_rows(TableName.OUTCOMES, episode, outcomes, more)

    def _forget(self, episode: int) -> None:
        """Drop the rows of an episode that is played again; its calls stay, as they were paid for."""
        for name in (TableName.MESSAGES, TableName.ACTS, TableName.DECISIONS, TableName.STEPS, *_OF_EPISODES):
            self.rows[name] = [row for row in self.rows[name] if row["episode"] != episode]
            others = (without(part, episode) for part in self._parts[name])
            self._parts[name] = [part for part in others if len(part)]
        self._networks.pop(episode, None)
        self._tiers.clear()

    def parts(self) -> dict[TableName, list[Part]]:
        """Return every table as the parts that follow one another: one frame where no block was large."""
        self.rows[TableName.POSTS] = [row for number, each in self._networks.items() for row in each.posts(number)]
        self.rows[TableName.NETWORK] = [row for number, each in self._networks.items() for row in each.models(number)]
        for name in TABLES:
            self._close_rows(name)
        return {name: self._parts[name] or [frame_of(TABLES[name], [])] for name in TABLES}


def interview_row(event: InterviewAnswered, source: str) -> Row:
    """An answer as a row of the `interviews` table, but for `synthetic`, which is its episode's."""
    row, scale = {**asdict(event), "source": source}, event.scale
    row["scale"] = "" if scale is None else f"{scale[0]}..{scale[1]}"
    if scale is None or not event.shares:
        return row
    points = range(scale[0], scale[1] + 1)
    draws = event.draws if event.measured == Measured.DRAWN.value else None
    return {**row, **opinion_of(points, event.shares, draws)._asdict()}


def call_row(record: CallRecord) -> Row:
    """An attempt as a row of the `calls` table, but for `synthetic`, which is its episode's."""
    key = record.key
    row = {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in ("key", "reply")}
    fallback_from = fallen(record.reply.provenance) if record.reply else ""
    row["empty"] = record.reply is not None and not record.reply.text and not record.reply.tool_calls
    row.update(tier=record.tier.value, status=record.status.value, fallback_from=fallback_from)
    row.update(
        episode=key.episode,
        step=key.step,
        model_id=key.model_id,
        purpose=key.purpose.value,
        talk_round=key.talk_round,
        ask=key.attempt,
    )
    return row


def frame_of(columns: Sequence[Column], rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table of these columns, typed."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


def build_parts(events: Iterable[Event], roster: Roster) -> dict[TableName, list[Part]]:
    """Return every table of a run, from its events, in parts."""
    builder = TableBuilder()
    builder.add_roster(roster)
    for event in events:
        builder.add(event)
    return builder.parts()


def build_tables(events: Iterable[Event], roster: Roster) -> dict[TableName, pd.DataFrame]:
    """Return every table of a run, from its events."""
    return {name: joined(parts, TABLES[name]) for name, parts in build_parts(events, roster).items()}

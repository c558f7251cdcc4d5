"""Events -> tables, and `load_run`: a run directory as pandas DataFrames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.inference.provenance import Tier, fallen
from agents.interviews import Measured
from agents.language import Language
from agents.problems import SocietyError
from agents.roster import Roster
from simulation.interviews.scale import opinion_of
from simulation.plan import load_from_manifest
from simulation.scenario import OnOrOff
from simulation.store.asked import read_answers
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
from simulation.store.history import recorded_move, said
from simulation.store.intervention_events import EventHappened
from simulation.store.interviews import InterviewAnswered
from simulation.store.log import EventLog, read_events
from simulation.store.migrations import migrated_manifest
from simulation.store.network_events import PostSeeded
from simulation.store.prompts import StoredPrompt, read_prompts
from simulation.store.run_directory import RunStatus, check_directory
from simulation.tables.base import Tables
from simulation.tables.columns import OPTIONAL_TABLES, TABLES, Column, TableName
from simulation.tables.network import NetworkEpisode
from simulation.tables.parquet import read_stored, stored_file
from simulation.tables.players import player_name
from simulation.tables.views import view_of
from simulation.task import NETWORK

if TYPE_CHECKING:
    import pandas as pd

    from agents.inference.provenance import CallKey, CallRecord, Reply

Row = dict[str, Any]
SURVEY, ASK = "survey", "ask"
"""Where a row of `interviews` is from: the run's events, or questions asked afterwards."""
_OF_EPISODES = (TableName.INTERVIEWS, TableName.EVENTS)
"""What is derived again where an episode is played again, besides messages, acts, decisions and steps."""
PROMPT_COLUMNS = (
    *("episode", "step", "model_id", "purpose", "talk_round", "ask"),
    *("system", "user", "choices", "tools", "reply", "tier", "adapter"),
)


class TableBuilder:
    """Collects the rows of every table from a run's events, in order."""

    def __init__(self) -> None:
        self.rows: dict[TableName, list[Row]] = {name: [] for name in TABLES}
        self._started: dict[int, EpisodeStarted] = {}
        self._tiers: dict[str, str] = {}  # of this step's decisions
        self._networks: dict[int, NetworkEpisode] = {}
        self._names: list[str] = []
        self._texts: dict[int, Counter[tuple[str, bool]]] = {}  # of an episode: by model, simulated or not

    def add_roster(self, roster: Roster) -> None:
        self._names = [config.model_id for config in roster.expand()]
        for number, config in enumerate(roster.expand()):
            row = config.model_dump(mode="json")
            row = {column.name: row.get(column.name) for column in TABLES[TableName.AGENTS]}
            named = {
                "model_name": config.model_name or "",
                "policy": config.policy or ("human" if config.human else ""),
            }
            extra = {"base_model": roster.base_model or "", "oasis_agent_id": number}
            self.rows[TableName.AGENTS].append({**row, **named, **extra})

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
            case RunResumed():
                self._forget(event.episode)
            case _:
                pass

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

    def _count(self, event: MessageSent | SocialActed | DecisionMade, model_id: str) -> None:
        self._texts[event.episode][model_id, event.tier == Tier.SIMULATED.value] += 1

    def _resolve(self, event: StepResolved) -> None:
        common = {"episode": event.episode, "step": event.step, "duration": event.duration}
        for row in event.rows:
            tier = self._tiers.get(row.model_id, "none")
            self._put(TableName.STEPS, event.episode, {**common, **asdict(row), "tier": tier})
        self._tiers.clear()

    def _end(self, event: EpisodeEnded) -> None:
        started = asdict(self._started[event.episode])
        whole = {name: value for name, value in asdict(event).items() if name != "outcomes"}
        self.rows[TableName.EPISODES].append({**started, **whole})
        counts = self._texts.pop(event.episode)
        for outcome in event.outcomes:
            simulated, others = (counts[outcome.model_id, flag] for flag in (True, False))
            player = player_name(outcome.model_name, outcome.role, simulated, simulated + others)
            who = {"player": player, "texts": simulated + others, "simulated": simulated}
            self.rows[TableName.OUTCOMES].append({**started, **whole, **asdict(outcome), **who})

    def _forget(self, episode: int) -> None:
        """Drop the rows of an episode that is played again; its calls stay, as they were paid for."""
        for name in (TableName.MESSAGES, TableName.ACTS, TableName.DECISIONS, TableName.STEPS, *_OF_EPISODES):
            self.rows[name] = [row for row in self.rows[name] if row["episode"] != episode]
        self._networks.pop(episode, None)

    def frames(self) -> dict[TableName, pd.DataFrame]:
        self.rows[TableName.POSTS] = [row for number, each in self._networks.items() for row in each.posts(number)]
        self.rows[TableName.NETWORK] = [row for number, each in self._networks.items() for row in each.models(number)]
        return {name: frame_of(TABLES[name], rows) for name, rows in self.rows.items()}


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


def build_tables(events: Iterable[Event], roster: Roster) -> dict[TableName, pd.DataFrame]:
    """Every table of a run, from its events."""
    builder = TableBuilder()
    builder.add_roster(roster)
    for event in events:
        builder.add(event)
    return builder.frames()


def prompt_frame(prompts: Mapping[CallKey, StoredPrompt], replies: Mapping[CallKey, Reply]) -> pd.DataFrame:
    """Return stored prompts, each with its reply, as the table that `Run.prompts` describes."""
    import pandas as pd

    rows = []
    for key, prompt in prompts.items():
        reply = replies.get(key)
        answer = (reply.text, reply.provenance.tier.value, reply.provenance.adapter) if reply else ("", "", "")
        call = (key.episode, key.step, key.model_id, key.purpose.value, key.talk_round, key.attempt)
        rows.append((*call, prompt.part("system"), prompt.part("user"), prompt.choices, prompt.tools, *answer))
    return pd.DataFrame(rows, columns=list(PROMPT_COLUMNS))


class Run(Tables):
    """One run directory. Tables are read when first asked for; a run that was cut off is read from its events."""

    def __init__(self, path: Path) -> None:
        path = path.absolute()  # a notebook may change its working directory afterwards
        self.path = path
        self.manifest: Row = read_manifest(path)
        language = Language(self.manifest["scenario"].get("language", Language.EN.value))
        self.roster = load_from_manifest(Roster, self.manifest, "roster").in_language(language)

    @property
    def schema_version(self) -> int:
        """The version of the tables' columns; what an older version wrote is brought up to date when it is read."""
        return int(self.manifest["schema_version"])

    def _table(self, name: TableName) -> pd.DataFrame:
        stored = read_stored(stored_file(self.path, name), TABLES[name])
        if stored is None and name in OPTIONAL_TABLES and stored_file(self.path, TableName.AGENTS).exists():
            stored = frame_of(TABLES[name], [])
        table = self._derived[name] if stored is None else stored
        return self._with_asked(table) if name is TableName.INTERVIEWS else table

    def _with_asked(self, surveys: pd.DataFrame) -> pd.DataFrame:
        """Return the answers to surveys with those to questions that were asked afterwards."""
        import pandas as pd

        asked = self.answer_rows(read_answers(self.path))
        return pd.concat([surveys, asked], ignore_index=True) if len(asked) else surveys

    def answer_rows(self, answers: Iterable[InterviewAnswered]) -> pd.DataFrame:
        """Return answers to questions asked after the play as rows of `interviews`."""
        synthetic = dict(zip(self.episodes["episode"], self.episodes["synthetic"], strict=True))
        rows = [
            {**interview_row(answer, ASK), "synthetic": bool(synthetic.get(answer.episode, False))}
            for answer in answers
        ]
        return frame_of(TABLES[TableName.INTERVIEWS], rows)

    def ask(
        self,
        who: str | Sequence[str] | None = None,
        *,
        at: str | tuple[int, int],
        question: str,
        scale: str | tuple[int, int] | None = None,
        tier: Tier | str | None = None,
    ) -> pd.DataFrame:
        """Ask models of the run a question, in place of what they were last asked in a step; nothing of it is played.

            run.ask("ada", at=(1, 3), question="How far do you trust the others?", scale=(1, 7))

        The answers are kept beside the run, and are in `interviews` from then on.

        Args:
            who: The model_ids; everyone but people by default.
            at: Episode and step, both counted from 1, or a text: "1.3", "*.last".
            question: The question.
            scale: The least and the greatest answer, (1, 7) or "1..7": each point's probability is measured. Without
                it the answer is a sentence or two.
            tier: The only tier that may answer, in place of the run's.

        Returns:
            A row of `interviews` for each answer.

        Raises:
            UsageError: The run has no such model or step, or an argument cannot be used.
            SocietyError: No tier answers, or a server has other weights than in the run.
        """
        rows: pd.DataFrame = view_of(self, "ask")(who, at=at, question=question, scale=scale, tier=tier)
        self.__dict__.pop(TableName.INTERVIEWS.value, None)
        return rows

    @cached_property
    def agents(self) -> pd.DataFrame:
        """One row per model; a column for each of the roster's `attributes`."""
        frame, people = self._table(TableName.AGENTS), [row.attributes for row in self.roster.expand()]
        for name in dict.fromkeys(name for attributes in people for name in attributes):
            column = name if name not in frame else f"{name}_attribute"
            frame = frame.assign(**{column: [attributes.get(name) for attributes in people]})
        return frame

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """One row per prompt: what a model was asked, by call; empty where the run stored none (`prompts: off`).

        Columns: episode, step, model_id, purpose, talk_round, ask (as in `calls`), system and user (the two parts of
        the prompt), choices (the answers allowed, as a tuple), tools (JSON, empty without any); then reply, tier and
        adapter, empty where no reply came.
        """
        prompts = read_prompts(self.path)
        events = read_events(self.path / EventLog.NAME) if prompts else ()
        return prompt_frame(prompts, {key: found.reply for event in events for key, found in said(event).items()})

    @property
    def why_no_prompts(self) -> str:
        """Return why `prompts` is empty, where it is."""
        if self.manifest["scenario"].get("prompts") == OnOrOff.OFF.value:
            return "its scenario says prompts: off"
        if self.manifest["status"] == RunStatus.RUNNING.value:
            return "no step of it has ended yet"
        return "it was made by an earlier version, or no language model was asked"

    @cached_property
    def _derived(self) -> dict[TableName, pd.DataFrame]:
        return build_tables(read_events(self.path / EventLog.NAME), self.roster)

    @property
    def answer(self) -> Any:
        """Return who did best and by how much, what was said and what to distrust: a `simulation.answer.RunAnswer`."""
        return view_of(self, "answer")

    def _repr_html_(self) -> str:
        return str(view_of(self, "answer_html"))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def load_run(path: str | Path) -> Run:
    """The run in directory `path`. Raises SocietyError where there is none."""
    return Run(Path(path))


def read_manifest(path: Path) -> Row:
    """A run's manifest.json. Raises SocietyError where it is missing, torn or of an unknown version, and where the
    directory holds a link or file that is not its own."""
    file = path / "manifest.json"
    if not file.exists():
        raise SocietyError(f"{path} is not a run directory: it has no manifest.json")
    check_directory(path)
    try:
        manifest: Row = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise SocietyError(f"{file}: {error}") from error
    return migrated_manifest(manifest, file)

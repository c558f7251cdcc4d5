"""Events -> tables, and `load_run`: a run directory as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.inference.provenance import Tier
from agents.language import Language
from agents.problems import SocietyError
from agents.roster import Roster
from simulation.plan import load_from_manifest
from simulation.scenario import OnOrOff
from simulation.store.asked import read_answers
from simulation.store.history import said
from simulation.store.interviews import InterviewAnswered
from simulation.store.log import EventLog, read_events, read_log
from simulation.store.migrations import migrated_manifest
from simulation.store.prompts import StoredPrompt, read_prompts
from simulation.store.run_directory import RunStatus, check_directory
from simulation.tables.base import Tables
from simulation.tables.builder import ASK, Row, build_tables, frame_of, interview_row
from simulation.tables.columns import OPTIONAL_TABLES, TABLES, TableName
from simulation.tables.parquet import read_stored, stored_file
from simulation.tables.views import view_of

if TYPE_CHECKING:
    import pandas as pd

    from agents.inference.provenance import CallKey, Reply

TRAINING = "training.json"
"""The file that makes a folder a training."""
PROMPT_COLUMNS = (
    *("episode", "step", "model_id", "purpose", "talk_round", "ask"),
    *("system", "user", "choices", "tools", "reply", "tier", "adapter"),
)


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
        people = [row.attributes for row in self.roster.models for _ in range(row.count)]
        frame = self._table(TableName.AGENTS)
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
        return build_tables(read_log(self.path / EventLog.NAME), self.roster)

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


def _what_it_holds(path: Path) -> str:
    """Return what else a directory is, after what it is not; empty where this is not known."""
    if (path / TRAINING).is_file():
        return f"; it is a training, which goes on with: society train {path}"
    runs = sorted(path.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime)
    return f"; name one of the runs in it, such as {runs[-1].parent}" if runs else ""


def read_manifest(path: Path) -> Row:
    """A run's manifest.json. Raises SocietyError where it is missing, torn or of an unknown version, and where the
    directory holds a link or file that is not its own."""
    file = path / "manifest.json"
    if not file.exists():
        raise SocietyError(f"{path} is not a run directory: it has no manifest.json{_what_it_holds(path)}")
    check_directory(path)
    try:
        manifest: Row = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise SocietyError(f"{file}: {error}") from error
    return migrated_manifest(manifest, file)

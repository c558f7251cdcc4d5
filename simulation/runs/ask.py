"""Asking models of a run after it was played. The run's own files stay as they are: answers are kept beside them.

A prompt is exactly what the model was last asked in the step, with the question in place of the instruction. Where the
run stored no prompt (`prompts: off`, a scripted player), and where a rule answers, the run is replayed up to the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from agents.inference.client import VLLMClient
from agents.inference.errors import FloorReachedError
from agents.inference.loops import gather_or_raise, run_blocking
from agents.inference.provenance import Purpose, Reply, Request, Tier
from agents.inference.recording import Recording
from agents.inference.weights import changed_weights
from agents.interviews import interview_request, interviewed
from agents.problems import SocietyError, UsageError, nearest
from agents.prompts import Question
from agents.roster import ModelConfig
from simulation.engine.interviews import answer_event, interview_seed
from simulation.interviews.moments import moment_asked
from simulation.interviews.scale import scale_of
from simulation.interviews.survey import Survey
from simulation.plan import Plan, Settings, make_plan
from simulation.runs.changes import fork_entries
from simulation.runs.replay import ReplaySession
from simulation.scenario import OnOrOff
from simulation.store.asked import add_answers
from simulation.store.blocks import one_by_one
from simulation.store.events import CallBegun, CallMade, Event
from simulation.store.interviews import InterviewAnswered
from simulation.store.prompts import StoredPrompt, read_prompts
from simulation.store.run_directory import new_directory, reader_of
from simulation.tables.run import Run

if TYPE_CHECKING:
    import pandas as pd

ASKED_AFTERWARDS = -1
"""The number of a question that belongs to no survey."""
_ANSWERED_FROM = (Purpose.TALK, Purpose.ACT, Purpose.DECIDE)


@dataclass(frozen=True)
class AskedPlace:
    """A model after a step: episode and step are indices, from 0."""

    episode: int
    step: int
    model_id: str


def asker_of(run: Run) -> Callable[..., pd.DataFrame]:
    """Return `Run.ask` of a run."""

    def ask(
        who: str | Sequence[str] | None,
        *,
        at: str | tuple[int, int],
        question: str,
        scale: str | tuple[int, int] | None,
        tier: Tier | str | None,
    ) -> pd.DataFrame:
        plan = make_plan(Plan.of(run.manifest), Settings(tier=tier))
        places = _places(run, _rows_asked(run, who), at)
        answers = run_blocking(lambda: Asking(run, plan, _question(question, scale)).answers(places))
        add_answers(run.path, answers)
        return run.answer_rows(answers)

    return ask


def _question(text: str, scale: object) -> Question:
    if not isinstance(text, str) or not text.strip():
        raise UsageError("the question is empty")
    try:
        return Question(text, None if scale is None else scale_of(scale))
    except ValueError as error:
        raise UsageError(f"scale {scale!r}: {error}") from None


def _rows_asked(run: Run, who: str | Sequence[str] | None) -> list[ModelConfig]:
    rows = {row.model_id: row for row in run.roster.expand()}
    if who is None:
        return [row for row in rows.values() if not row.human]
    names = [who] if isinstance(who, str) else list(who)
    for name in names:
        if name not in rows:
            raise UsageError(f"no model of the run is called {name!r} ({nearest(name, list(rows))})")
        if rows[name].human:
            raise UsageError(f"{name} was a person; only models can be asked afterwards")
    return [rows[name] for name in dict.fromkeys(names)]


def _places(run: Run, rows: Iterable[ModelConfig], at: str | tuple[int, int]) -> list[AskedPlace]:
    """Return the steps that `at` means, of those that were played to their end, for each row."""
    text, moment = moment_asked(at)
    last_steps = {
        int(episode): int(step)
        for episode, step in zip(*(run.steps[name] for name in ("episode", "step")), strict=True)
    }
    found = [
        AskedPlace(episode, step, row.model_id)
        for episode, last in last_steps.items()
        for step in range(last + 1)
        if moment.is_at(episode, step, step == last)
        for row in rows
    ]
    if not found:
        had = ", ".join(f"{episode + 1}.1 to {episode + 1}.{last + 1}" for episode, last in last_steps.items())
        raise UsageError(f"the run has no step {text}; it has {had or 'none yet'}")
    return found


class Asking:
    """One question to models of one run.

    Args:
        run: The run.
        plan: Its scenario, with the tiers that may answer, and its roster.
        question: The question.
    """

    def __init__(self, run: Run, plan: Plan, question: Question) -> None:
        self._run, self._plan, self._question = run, plan, question
        self._rows = {row.model_id: row for row in plan.roster.in_language(plan.scenario.language).expand()}
        self._settings = plan.scenario.inference.settings()

    async def answers(self, places: Sequence[AskedPlace]) -> list[InterviewAnswered]:
        """Return an answer for each place, in order; errors as `Run.ask`."""
        found = await self._from_prompts(places)
        left = [place for place in places if place not in found]
        if left:
            found.update(await self._from_replay(left))
        return [found[place] for place in places]

    async def _from_prompts(self, places: Sequence[AskedPlace]) -> dict[AskedPlace, InterviewAnswered]:
        """Return the answers of models whose prompts were stored; none where only a rule may answer, or does."""
        real = tuple(tier for tier in self._settings.allowed if tier.real)
        wanted = set(places)
        stored = {place: prompt for place, prompt in _last_prompts(self._run.path).items() if place in wanted}
        if not real or not stored:
            return {}
        async with self._client(real) as client:
            await client.detect()
            self._refuse_other_weights(client, [self._rows[place.model_id] for place in stored])
            try:
                answers = await gather_or_raise(self._ask(client, place, stored[place]) for place in stored)
            except FloorReachedError:
                if real == self._settings.allowed:
                    raise
                return {}
        return dict(zip(stored, answers, strict=True))

    def _client(self, tiers: tuple[Tier, ...]) -> VLLMClient:
        inference = self._plan.scenario.inference
        client = VLLMClient(
            endpoints=inference.servers(),
            base_model=self._plan.roster.base_model,
            settings=replace(self._settings, tiers=tiers),
        )
        for row in self._rows.values():
            if row.endpoint and row.model_name:
                client.pin(row.endpoint, row.model_name)
        return client

    def _refuse_other_weights(self, client: VLLMClient, rows: Sequence[ModelConfig]) -> None:
        found = client.record_weights([(row.model_name or "", row.adapter) for row in rows])
        changed = changed_weights(self._run.manifest.get("weights") or {}, found)
        if changed:
            raise SocietyError(f"other weights would answer than those of the run: {'; '.join(changed)}")

    async def _ask(self, client: VLLMClient, place: AskedPlace, prompt: StoredPrompt) -> InterviewAnswered:
        scenario, where = self._plan.scenario, (place.episode, place.step, place.model_id)
        request = interview_request(
            self._request(self._rows[place.model_id], prompt),
            self._question,
            number=0,
            seed=interview_seed(scenario.seed, where, self._question),
            language=scenario.language,
            templates=scenario.templates,
        )
        answer = await interviewed(request, client.generate, reader_of(self._run.manifest))
        return answer_event(answer, self._question, ASKED_AFTERWARDS, where)

    def _request(self, row: ModelConfig, prompt: StoredPrompt) -> Request:
        """Return a stored prompt as the request that it was."""
        inference = self._plan.scenario.inference
        deliberation = inference.deliberation().with_settings(row.thinking, row.decide)
        return Request(
            key=prompt.key,
            adapter=row.model_name or "",
            messages=prompt.messages,
            base_model=row.base_model or self._plan.roster.base_model,
            choices=prompt.choices or None,
            sampling=replace(inference.sampling(), **row.sampling.model_dump(exclude_none=True)),
            adapter_path=row.adapter,
            endpoint=row.endpoint,
            base_stated=row.base_model is not None,
            thinking=None if deliberation.thinking is None else False,
        )

    async def _from_replay(self, places: Sequence[AskedPlace]) -> dict[AskedPlace, InterviewAnswered]:
        """Return the answers that models give in a replay of the run up to the last of the places."""
        with TemporaryDirectory() as folder:
            asking = {"surveys": _surveys(places, self._question), "oasis_db": OnOrOff.ON}  # the replay is by requests
            scenario = self._plan.scenario.model_copy(update=asking)
            plan = Plan(scenario, self._plan.roster)
            manifest = self._run.manifest
            twin = new_directory(Path(folder), plan, self._run.path, reader_of(manifest), fork_entries(manifest))
            session = InterviewSession(twin, plan, self._run.path, places)
            try:
                await session.run()
            except AllAnsweredError:
                pass
            finally:
                session.abandon()
        return session.answers


def _last_prompts(run: Path) -> dict[AskedPlace, StoredPrompt]:
    """Return what each model was last asked in each step, of what can be asked in another way."""
    return {
        AskedPlace(key.episode, key.step, key.model_id): prompt
        for key, prompt in read_prompts(run).items()
        if key.purpose in _ANSWERED_FROM
    }


def _surveys(places: Iterable[AskedPlace], question: Question) -> tuple[Survey, ...]:
    """Return the surveys that ask the question at exactly these places: one for each step."""
    steps: dict[str, list[str]] = {}
    for place in places:
        steps.setdefault(f"{place.episode + 1}.{place.step + 1}", []).append(place.model_id)
    return tuple(
        Survey.model_validate({"at": [at], "ask": question.text, "scale": question.scale, "who": who})
        for at, who in steps.items()
    )


class AllAnsweredError(SocietyError):
    """Ends a replay whose questions are all answered."""


@dataclass(frozen=True)
class _PlayedRecording(Recording):
    """A recording in which no interview is: it is asked now."""

    played: Recording = field(kw_only=True)

    def find(self, request: Request) -> Reply | None:
        return None if request.key.purpose is Purpose.INTERVIEW else self.played.find(request)


class InterviewSession(ReplaySession):
    """Replays a run up to the last question, which models answer now.

    Args:
        path: The replay's directory.
        plan: The run's scenario, with the questions in place of its own surveys.
        original: The run's directory.
        places: Who is asked, and where.
    """

    def __init__(self, path: Path, plan: Plan, original: Path, places: Sequence[AskedPlace]) -> None:
        super().__init__(path, plan, None, original)
        self._script = (event for event in one_by_one(self._recorded) if not _is_interview(event))
        self._left = set(places)
        self.answers: dict[AskedPlace, InterviewAnswered] = {}

    def _recording(self) -> Recording:
        return _PlayedRecording(played=super()._recording())

    def _settings(self) -> Any:
        return self.plan.scenario.inference.settings()

    def _note(self, event: Event) -> None:
        if isinstance(event, InterviewAnswered):
            place = AskedPlace(event.episode, event.step, event.model_id)
            self.answers[place] = replace(event, survey=ASKED_AFTERWARDS)
            self._left.discard(place)
            if not self._left:
                raise AllAnsweredError("every question is answered")
        elif not _is_interview(event):
            super()._note(event)


def _is_interview(event: Event) -> bool:
    match event:
        case InterviewAnswered():
            return True
        case CallMade(record):
            return record.key.purpose is Purpose.INTERVIEW
        case CallBegun(request):
            return request.key.purpose is Purpose.INTERVIEW
        case _:
            return False

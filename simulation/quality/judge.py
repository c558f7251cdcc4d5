"""Grades of messages by another model: an opinion, always secondary to what was measured.

The judge's prompt is the rubric in `agents/prompts/<language>/judge*.j2`. It answers greedily, constrained to the
scale. Every attempt is written to `judge.jsonl` in the run directory, in the format of the event log, so that each
grade has its provenance and is paid for once. An answer outside the scale is asked for once more, then counts as none.

Such judges favour their own texts, and long ones (Zheng et al., Judging LLM-as-a-Judge, NeurIPS 2023).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.backend import InferenceSettings
from agents.inference.loops import run_blocking
from agents.inference.provenance import CallKey, CallRecord, Purpose, Request, Sampling, Tier
from agents.inference.records import prompt_hash
from agents.language import Language
from agents.problems import SocietyError, UsageError
from agents.prompt_templates import templates_of
from agents.prompts import Graded, judge_prompt
from agents.strategy import TrainingMode
from simulation.quality.scorer import Judge, Mark, Material, QualityMeasure, scorer
from simulation.store.events import CallMade
from simulation.store.log import EventLog, read_events

if TYPE_CHECKING:
    from simulation.tables.run import Run

FILE = "judge.jsonl"
LOCK = ".judge.lock"
SCALE = ("1", "2", "3", "4", "5")
GREEDY = Sampling(temperature=0.0, max_tokens=8)

GRADE = QualityMeasure(
    "grade", "the judge's grade of a message, 1 (empty) to 5 (plan, reason, definite), where readable", False
)
ANSWERED = QualityMeasure("graded", "messages for which the judge's answer was a grade")


class GradeRequest(NamedTuple):
    """A request for the grade of a message; the grade is a mark of `sender`, at the message's `tier`."""

    request: Request
    episode: int
    sender: str
    tier: str


@scorer("agents/prompts/*/judge_system.j2", measures=(GRADE, ANSWERED), secondary=True)
def judge(material: Material) -> Iterator[Mark]:
    """Another model's opinion of messages, in finished episodes."""
    if material.judge is None:
        raise UsageError("the scorer judge needs a judge: --judge ADAPTER --endpoint URL")
    requests = list(_requests(material.run, material.judge))
    found = _grades(material.run.path, material.judge, [each.request for each in requests])
    name = f"{material.judge.adapter} ({material.judge.tier.value})"
    for each in requests:
        first, second = (found.get(prompt_hash(request)) for request in (each.request, _second_request(each.request)))
        grade = _grade(first) or _grade(second)
        yield Mark(ANSWERED, each.episode, each.sender, each.tier, float(grade is not None), name)
        if grade is not None:
            yield Mark(GRADE, each.episode, each.sender, each.tier, float(grade), name)


def _requests(run: Run, judge: Judge) -> Iterator[GradeRequest]:
    """A request for every message of a finished episode."""
    from simulation.tables.reconstruct import rules_of

    scenario = run.manifest["scenario"]
    language, templates = Language(scenario["language"]), templates_of(scenario.get("prompt_templates") or {})
    roles = {config.model_id: config.role for config in run.roster.expand()}
    episodes = run.episodes.astype({"task_id": str, "mode": str}).set_index("episode")
    rules = rules_of(run)
    columns = (run.messages[name] for name in ("episode", "step", "talk_round", "sender", "text", "tier"))
    for episode, step, talk_round, sender, text, tier in zip(*columns, strict=True):
        if episode not in episodes.index:
            continue
        task, mode = rules[str(episodes.at[episode, "task_id"])], TrainingMode(str(episodes.at[episode, "mode"]))
        graded = Graded(str(text), roles[str(sender)], mode, task.text, int(step) + 1, task.max_steps)
        key = CallKey(int(episode), int(step), str(sender), Purpose.DECIDE, int(talk_round))
        request = Request(
            key, judge.adapter, judge_prompt(language, graded, SCALE, templates), choices=SCALE, sampling=GREEDY
        )
        yield GradeRequest(request, key.episode, key.model_id, str(tier))


def _second_request(request: Request) -> Request:
    """The request after an answer that was no grade; not greedy, as the judge would repeat its answer."""
    sampling = replace(request.sampling, temperature=0.7)
    return replace(request, key=replace(request.key, attempt=1), sampling=sampling, seed=1)


def _grade(record: CallRecord | None) -> int | None:
    text = record.reply.text.strip().strip("\"'`*").rstrip(".。").strip() if record and record.reply else ""
    return int(text) if text in SCALE else None


# -- grades on record, and asking for the others -------------------------------------------------------------


def _grades(folder: Path, judge: Judge, requests: Sequence[Request]) -> Mapping[str, CallRecord]:
    """The judge's answers by the hash of the request; those not on record are asked for now.

    Raises:
        SocietyError: Another process asks for grades of this run.
    """
    with _locked(folder):
        known = _answers(folder, judge, requests)
        unread = [_second_request(request) for request in requests if _grade(known[prompt_hash(request)]) is None]
        return _answers(folder, judge, unread)


def _answers(folder: Path, judge: Judge, requests: Iterable[Request]) -> Mapping[str, CallRecord]:
    known = read_grades(folder, judge)
    missing = {digest: each for each in requests if (digest := prompt_hash(each)) not in known}
    if not missing:
        return known
    run_blocking(lambda: _ask(folder, judge, missing.values()))
    return read_grades(folder, judge)


def read_grades(folder: Path, judge: Judge) -> Mapping[str, CallRecord]:
    """The answers of `judge` on record, by the hash of the request: those of its tier, from its endpoints."""
    path = folder / FILE
    if not path.exists():
        return {}
    endpoints = {url.rstrip("/") for url in judge.endpoints} if judge.tier is not Tier.EMBEDDED else {""}
    made = (event.record for event in read_events(path) if isinstance(event, CallMade))
    return {
        record.prompt_hash: record
        for record in made
        if record.reply is not None and record.tier is judge.tier and record.endpoint in endpoints
    }


async def _ask(folder: Path, judge: Judge, requests: Iterable[Request]) -> None:
    """Ask for every grade at the same time; every answer goes on record. Raises the first error when all are over."""
    from agents.inference.client import VLLMClient

    settings = InferenceSettings(tiers=(judge.tier,))
    with EventLog(folder / FILE) as log:
        client = VLLMClient(
            endpoints=judge.endpoints, settings=settings, on_call=lambda record: log.append(CallMade(record))
        )
        async with client:
            await client.detect()
            client.check_adapters([judge.adapter])
            answers = await asyncio.gather(*map(client.generate, requests), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer


def _locked(folder: Path) -> AbstractContextManager[object]:
    """A lock for the time in which grades are asked for. Raises SocietyError where another process has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        return lock.acquire(blocking=False)
    except Timeout as error:
        raise SocietyError(f"{folder} is being judged by another process") from error

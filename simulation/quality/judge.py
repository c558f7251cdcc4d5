"""What another model thinks of messages: an opinion, always secondary to what was measured.

The judge is asked by the rubric in `agents/prompts/<language>/judge*.j2`, greedily, and its answer is constrained to
the scale. Every attempt is kept in `judge.jsonl` in the run directory, in the form of the event log, so that no grade
is paid for twice and each has its provenance. An answer off the scale is asked for once more, then counted as such.

Known of such judges: they favour their own texts, and long ones (Zheng et al., Judging LLM-as-a-Judge, NeurIPS 2023).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import CallKey, CallRecord, Purpose, Request, Sampling, Tier
from agents.inference.records import prompt_hash
from agents.language import Language
from agents.problems import SocietyError, UsageError
from agents.prompts import Graded, judge_prompt
from agents.strategy import TrainingMode
from simulation.concurrency import run_blocking
from simulation.quality.scorer import Judge, Mark, Material, QualityMeasure, scorer
from simulation.store.events import CallMade, EventLog, read_events

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


class Ask(NamedTuple):
    """A message to be graded, and whom its grade counts for."""

    request: Request
    episode: int
    sender: str
    tier: str


@scorer("agents/prompts/*/judge_system.j2", measures=(GRADE, ANSWERED), secondary=True)
def judge(material: Material) -> Iterator[Mark]:
    """Another model's opinion of messages. Of finished episodes."""
    if material.judge is None:
        raise UsageError("the scorer judge needs a judge: --judge ADAPTER --endpoint URL")
    asks = list(_asks(material.run, material.judge))
    found = _grades(material.run.path, material.judge, [ask.request for ask in asks])
    for ask in asks:
        first, second = (found.get(prompt_hash(request)) for request in (ask.request, _again(ask.request)))
        grade = _grade(first) or _grade(second)
        who = f"{material.judge.adapter} ({material.judge.tier.value})"
        yield Mark(ANSWERED, ask.episode, ask.sender, ask.tier, float(grade is not None), who)
        if grade is not None:
            yield Mark(GRADE, ask.episode, ask.sender, ask.tier, float(grade), who)


def _asks(run: Run, judge: Judge) -> Iterator[Ask]:
    """Every message of a finished episode, as a request to the judge."""
    from simulation.tables.reconstruct import rules_of

    language = Language(run.manifest["scenario"]["language"])
    roles = {config.model_id: config.role for config in run.roster.expand()}
    episodes = run.episodes.astype({"task_id": str, "mode": str}).set_index("episode")
    rules = rules_of(run)
    columns = (run.messages[name] for name in ("episode", "step", "talk_round", "sender", "text", "tier"))
    for episode, step, talk_round, sender, text, tier in zip(*columns, strict=True):
        if episode not in episodes.index:
            continue
        told, mode = rules[str(episodes.at[episode, "task_id"])], TrainingMode(str(episodes.at[episode, "mode"]))
        graded = Graded(str(text), roles[str(sender)], mode, told.text, int(step) + 1, told.max_steps)
        key = CallKey(int(episode), int(step), str(sender), Purpose.DECIDE, int(talk_round))
        request = Request(key, judge.adapter, judge_prompt(language, graded, SCALE), choices=SCALE, sampling=GREEDY)
        yield Ask(request, key.episode, key.model_id, str(tier))


def _again(request: Request) -> Request:
    """How it is asked once more where the answer was no grade: a greedy judge would repeat itself."""
    sampling = replace(request.sampling, temperature=0.7)
    return replace(request, key=replace(request.key, attempt=1), sampling=sampling, seed=1)


def _grade(record: CallRecord | None) -> int | None:
    text = record.reply.text.strip().strip("\"'`*").rstrip(".。").strip() if record and record.reply else ""
    return int(text) if text in SCALE else None


# -- asking, and what was asked before -----------------------------------------------------------------------


def _grades(folder: Path, judge: Judge, requests: Sequence[Request]) -> Mapping[str, CallRecord]:
    """The judge's answers by the request's hash; what is not on record yet is asked now. Raises SocietyError."""
    with _locked(folder):
        known = _known_and_asked(folder, judge, requests)
        unread = [_again(request) for request in requests if _grade(known[prompt_hash(request)]) is None]
        return _known_and_asked(folder, judge, unread)


def _known_and_asked(folder: Path, judge: Judge, requests: Iterable[Request]) -> Mapping[str, CallRecord]:
    known = read_grades(folder, judge)
    missing = {digest: each for each in requests if (digest := prompt_hash(each)) not in known}
    if not missing:
        return known
    run_blocking(lambda: _ask(folder, judge, missing.values()))
    return read_grades(folder, judge)


def read_grades(folder: Path, judge: Judge) -> Mapping[str, CallRecord]:
    """What `judge` answered so far, by the hash of the request: at this tier and, of servers, at these endpoints."""
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
    """Ask for every grade at once. Raises the first error when all are over; what was answered is on record."""
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
    """Held while grades are asked for. Raises SocietyError where another process does so."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        return lock.acquire(blocking=False)
    except Timeout as error:
        raise SocietyError(f"{folder} is being judged by another process") from error

"""The report: collects everything, packs it and writes one HTML file."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.language import Language
from simulation.answer.answer import answer_of
from simulation.answer.honesty import honesty_of
from simulation.answer.standings import standings_of
from simulation.answer.words import block_of
from simulation.pictures.cascades import trees_of
from simulation.pictures.course import episodes_of, lines_of
from simulation.pictures.network import network_of
from simulation.pictures.opinions import ribbons_of
from simulation.plan import Plan
from simulation.report.details import CHUNK, Prompts, details_of, prompts_of
from simulation.report.society import players_of, task_rules_of
from simulation.report.sources import Sources, find_sources
from simulation.report.studies import shown_banner
from simulation.report.texts import texts_of
from simulation.report.trainings import training_of
from simulation.store.files import replace_file, translating_os_errors
from simulation.studies.metrics import measure_metrics

if TYPE_CHECKING:
    from simulation.studies.fingerprint.report import FingerprintReport
    from simulation.studies.tournament.results import TournamentResult
    from simulation.tables.run import Run

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("page.js", "figures.js", "charts.js", "trainings.js", "spread.js", "network.js", "browser.js", "main.js")
_PACKED = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY

Log = Callable[[str], None]


@dataclass(frozen=True)
class Blob:
    """Data that the page unpacks when it needs it, as JSON."""

    name: str
    base64: str


def write_report(
    paths: Sequence[str | Path], out: str | Path, *, prompts: bool = True, log: Log = lambda line: None
) -> Path:
    """Write a report of runs, folders of runs, fingerprints, tournaments or trainings to one HTML file.

    The file needs no network.

    Args:
        paths: Their directories.
        out: The file to write.
        prompts: Whether to show every prompt: its words are computed from the events, without a server.
        log: Called with a line about each part of the work.

    Raises:
        SocietyError: A path has nothing to report, or the file cannot be written.
    """
    sources = find_sources(paths)
    target = Path(out)
    with translating_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    page = render(sources, prompts=prompts, log=log).encode()
    with translating_os_errors(target):
        replace_file(target, page)
    return target


def render(sources: Sources, *, prompts: bool = True, log: Log = lambda line: None, home: str = "") -> str:
    """Return the page as HTML; arguments as in `write_report`, and the address of a page that it links back to."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    runs, blobs = [], []
    for number, run in enumerate(sources.runs):
        log(f"{run.path.name}: tables")
        head, packed = _run(number, run, prompts, log)
        runs.append(head)
        blobs += packed
    summary = {
        "version": version("lora-society"),
        "chunk": CHUNK,
        "runs": runs,
        "fingerprints": [_fingerprint(each) for each in sources.fingerprints],
        "tournaments": [_tournament(each) for each in sources.tournaments],
        "studies": [asdict(each) for each in sources.studies],
        "trainings": [training_of(each) for each in sources.trainings],
        "labels": {each.value: _labels(each) for each in Language},
    }
    environment = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("report.html.j2").render(
        title=_title(summary),
        home=home,
        style=_asset("report.css"),
        scripts=[_asset(name) for name in SCRIPTS],
        blobs=[_packed("summary", orjson.dumps(summary, option=_PACKED)), *blobs],
    )


def _title(summary: Mapping[str, Any]) -> str:
    """Return the page's title: the scenarios of its runs, or without runs the titles of its studies."""
    kinds = ("fingerprints", "tournaments", "studies", "trainings")
    names = [run["scenario"] for run in summary["runs"]] or [
        study["banner"]["title"] for kind in kinds for study in summary[kind]
    ]
    return ", ".join(dict.fromkeys(names))


def _run(number: int, run: Run, prompts: bool, log: Log) -> tuple[dict[str, Any], list[Blob]]:
    """What the page shows of a run first, and what it unpacks later."""
    known = Prompts(why="the report was made without prompts (--no-prompts)")
    if prompts:
        log(f"{run.path.name}: prompts")
        known = prompts_of(run)
    texts, details = texts_of(run), details_of(run, known.by_call)
    chunks = [details[first : first + CHUNK] for first in range(0, len(details), CHUNK)]
    scenario = Plan.of(run.manifest).scenario
    head = {
        "name": run.path.name,
        "scenario": scenario.name,
        "mode": scenario.mode.value,
        "seed": run.manifest["seed"],
        "started": run.manifest["started"],
        "roster": run.roster.name,
        "versions": run.manifest["versions"],
        "answer": asdict(block_of(answer_of(run))),
        "rules": [asdict(each) for each in task_rules_of(run)],
        "players": [asdict(each) for each in players_of(run)],
        "honesty": asdict(honesty_of(run)),
        "standings": [asdict(each) for each in standings_of(run)],
        "lines": [asdict(each) for each in lines_of(run)],
        "episodes": [asdict(each) for each in episodes_of(run)],
        "network": asdict(network_of(run)),
        "ribbons": [asdict(each) for each in ribbons_of(run)],
        "trees": [asdict(each) for each in trees_of(run)],
        "metrics": asdict(measure_metrics([run])),
        "calls": _calls(run),
        "latencies": _latencies(run),
        "texts": len(texts.said),
        "messages": len(run.messages),
        "chunks": len(chunks),
        "no_prompts": known.why,
    }
    blobs = [_packed(f"texts-{number}", orjson.dumps(asdict(texts), option=_PACKED))]
    blobs += [
        _packed(f"details-{number}-{place}", orjson.dumps([tuple(row) for row in chunk]))
        for place, chunk in enumerate(chunks)
    ]
    return head, blobs


def _calls(run: Run) -> list[dict[str, Any]]:
    """Every figure of `society study calls`, by tier, endpoint and adapter."""
    from simulation.studies.calls import By, report_calls

    if run.calls.empty:
        return []
    return [
        {"by": by.value, **asdict(group), "attempts": group.attempts}
        for by in (By.TIER, By.ENDPOINT, By.ADAPTER)
        for group in report_calls(run, by).groups
        if by is By.TIER or group.name
    ]


def _latencies(run: Run) -> dict[str, list[float]]:
    """200 evenly spaced quantiles of the latency of each tier's replies, in seconds."""
    import numpy as np

    answered = run.calls[run.calls["status"].astype(str) == "ok"]
    grouped = answered.groupby(answered["tier"].astype(str))["latency"]
    return {str(tier): np.quantile(rows, np.linspace(0, 1, 200)).round(6).tolist() for tier, rows in grouped}


def _fingerprint(report: FingerprintReport) -> dict[str, Any]:
    from simulation.studies.fingerprint.cells import CELLS

    return {
        **asdict(report),
        "banner": shown_banner(report.banner),
        "titles": {cell.name: f"{cell.group}: {cell.title}" for cell in CELLS},
        "shares": {cell.name: cell.share for cell in CELLS},
    }


def _tournament(result: TournamentResult) -> dict[str, Any]:
    return {"name": result.path.name, **result.report, "banner": shown_banner(result.banner)}


def _packed(name: str, content: bytes) -> Blob:
    return Blob(name, base64.b64encode(gzip.compress(content, 6, mtime=0)).decode())


def _labels(language: Language) -> Any:
    return orjson.loads(_asset(f"labels.{language.value}.json"))


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")

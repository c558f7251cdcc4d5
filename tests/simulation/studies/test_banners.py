"""Every table, page, picture and notebook view of every study begins with its title, tiers and notes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from agents.roster import ModelConfig
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult, is_loud
from simulation.plan import Plan
from simulation.quality.report import report_quality
from simulation.report import write_report
from simulation.runs.runner import run_scenario
from simulation.studies.calls import report_calls
from simulation.studies.compare.report import compare_runs
from simulation.studies.effect import read_effects
from simulation.studies.fingerprint.measure import read_fingerprints
from simulation.studies.metrics import measure_metrics
from simulation.studies.population.report import read_populations
from simulation.studies.sweep import measure_sweep
from simulation.studies.tournament.results import load_tournament
from simulation.tables.run import load_run
from simulation.tables.runs import load_runs
from simulation.training.tables import load_training
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.simulation.report.test_report import unpacked

__all__ = ["_in_a_folder_of_its_own"]  # fixtures
Society = Callable[..., tuple[str, Path]]

ROSTER = """\
name: two
base_model: SmolLM2-135M-Instruct
models:
  - {model_id: ada, model_name: cooperator, team_id: red}
  - {model_id: ben, model_name: defector, team_id: blue}
"""
SHORT = ("--tier", "simulated", "--episodes", "2")
TALK = ("--set", "communication.talk_rounds=1")


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Society:
    """Run a command in this folder; what it prints, and the folder that its last line names."""

    def run(*arguments: str) -> tuple[str, Path]:
        Path("two.yaml").write_text(ROSTER)
        code, out, err = society(capsys, *arguments)
        assert code == 0, err
        return out, Path(out.splitlines()[-1])

    return run


def assert_shown(banner: StudyBanner, text: str, *, tier: str = "simulated") -> None:
    """The text has the title, the tiers and every note, before any table, as one who reads it finds them."""
    words = " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#x27;", "'").replace("&#36;", "$").split())
    wanted = [banner.title, *banner.lines()]
    assert any(f"texts by tier: {tier} " in line for line in wanted)
    for line in wanted:
        assert " ".join(line.split()) in words, line


def assert_everywhere(result: StudyResult, out: str, folder: Path | None = None, *, tier: str = "simulated") -> None:
    """A result's banner is in what its command printed, in a notebook, on its picture and on its page."""
    banner = result.banner
    assert_shown(banner, out.split("┏", maxsplit=1)[0], tier=tier)
    assert_shown(banner, result._repr_html_(), tier=tier)
    if hasattr(result, "plot"):
        title = result.plot().layout.title
        assert_shown(banner, f"{title.text} {title.subtitle.text}", tier=tier)
    if folder is not None:
        summary = unpacked(write_report([folder], "page.html").read_text(encoding="utf-8"), "summary")
        kinds = ("fingerprints", "tournaments", "studies", "trainings")
        (shown,) = (each["banner"] for kind in kinds for each in summary[kind])
        assert_shown(banner, " ".join([shown["title"], *(line for line, _ in shown["lines"])]), tier=tier)


def runs_of(play: Society) -> list[Path]:
    return [play("run", "first_contact", *SHORT, "--seed", seed)[1] for seed in ("1", "2")]


@pytest.mark.slow
def test_comparison_shows_tiers_and_notes(play: Society) -> None:
    paths = runs_of(play)
    out, _ = play("compare", *map(str, paths))
    assert_everywhere(compare_runs(*paths), out)


@pytest.mark.slow
def test_effect_shows_tiers_and_notes(play: Society) -> None:
    out, folder = play("effect", "first_contact", *SHORT, "--treatment", "silenced")
    assert_everywhere(read_effects(folder), out, folder)


@pytest.mark.slow
def test_population_shows_tiers_and_notes(play: Society) -> None:
    who = ("--focal", "ada", "--background", "random", "--population", "visitor")
    out, folder = play("population", "first_contact", *SHORT, *who)
    assert_everywhere(read_populations(folder), out, folder)


@pytest.mark.slow
def test_fingerprint_shows_tiers_and_notes(play: Society) -> None:
    out, folder = play("fingerprint", "two.yaml", *SHORT)
    report = read_fingerprints(folder)
    assert_everywhere(report, out, folder)
    assert_shown(report.banner, (folder / "fingerprint.svg").read_text(encoding="utf-8").replace("&#39;", "'"))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pairs", "teams"])
def test_tournament_shows_tiers_and_notes(play: Society, form: str) -> None:
    game = "prisoners_dilemma" if form == "pairs" else "public_goods"
    more = () if form == "pairs" else ("--format", "teams", "--stand-in", "random")
    out, folder = play("tournament", "two.yaml", "--game", game, *SHORT, "--jobs", "1", "--steps", "1", *more)
    assert_everywhere(load_tournament(folder), out, folder)


@pytest.mark.slow
def test_sweep_shows_tiers_and_notes(play: Society) -> None:
    out, folder = play("sweep", "first_contact", *SHORT, "--jobs", "1", "--set", "sweep={mode: [cooperative]}")
    assert_everywhere(measure_sweep(load_runs(folder)), out, folder)


@pytest.mark.slow
def test_quality_calls_and_metrics_show_tiers_and_notes(play: Society) -> None:
    _, folder = play("run", "first_contact", *SHORT)
    run = load_run(folder)
    assert_everywhere(report_quality(run), play("quality", str(folder))[0])
    assert_everywhere(report_calls(run), play("calls", str(folder))[0])
    assert_everywhere(measure_metrics([run]), play("metrics", str(folder))[0])


@pytest.mark.slow
def test_training_shows_tiers_and_notes(play: Society) -> None:
    out, folder = play("train", "dilemma_tables", "--updates", "1")
    assert_everywhere(load_training(folder), out, folder, tier="scripted")


@pytest.mark.slow
def test_exploit_shows_what_was_played(play: Society) -> None:
    out, folder = play(
        "exploit", "tit_for_tat", "--game", "prisoners_dilemma", "--steps", "2", "--updates", "1", "--starts", "2"
    )
    stored = orjson.loads((folder / "exploit.json").read_bytes())
    assert stored["counts"]["runs"] == 0
    above = " ".join(out.split("┏", maxsplit=1)[0].split())
    for line in (*stored["lines"], "no run was played: all figures are computed"):
        assert line in above


def test_counts_are_those_of_the_tables(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = (ModelConfig(model_id="a", model_name="cooperator"), ModelConfig(model_id="b", policy="tit_for_tat"))
    found = [run_scenario(make_plan(rows=rows, mode="cooperative", seed=seed), out=runs) for seed in (1, 2)]
    counts = SourceCounts.of_runs(run.path for run in found)
    texts = sum(len(run.messages) + len(run.decisions) for run in found)
    assert counts.texts == {"simulated": texts // 2, "scripted": texts // 2}
    assert (counts.runs, counts.episodes, counts.outcomes, counts.synthetic) == (2, 4, 8, 0)
    assert counts.simulated_share == 0.5
    assert counts.real_share == 0
    assert counts == SourceCounts.below(runs)


def test_warnings_are_loud_on_every_surface() -> None:
    import plotly.graph_objects as go

    counts = SourceCounts(1, 2, {"http": 3, "simulated": 1}, fallbacks=1, outcomes=4, synthetic=1)
    banner = StudyBanner("a < b", counts, ("costs $5 & $6",))
    loud = [line for line in banner.lines() if is_loud(line)]
    assert [line.split(":")[0] for line in loud] == ["SIMULATED", "SYNTHETIC", "FALLBACKS"]
    assert "1 text from a lower tier" in loud[2]
    assert all(f"<b>{line}</b>" in banner.html() for line in loud)
    assert "a &lt; b" in banner.html()
    assert "$" not in banner.above(go.Figure()).layout.title.subtitle.text  # plotly would read LaTeX
    assert replace(banner, counts=None, tiers=("http",)).lines()[0].startswith("replies by tier: http")


@pytest.mark.parametrize(
    ("http", "simulated", "share"), [(99_999, 1, "less than 0.01%"), (1, 99_999, "more than 99.99%")]
)
def test_share_is_never_rounded_to_all_or_nothing(http: int, simulated: int, share: str) -> None:
    lines = SourceCounts(1, 1, {"http": http, "simulated": simulated}).lines()
    assert next(line for line in lines if is_loud(line)).startswith(f"SIMULATED: {share} of the texts")

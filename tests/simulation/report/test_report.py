"""A report has the same figures as the run's tables."""

from __future__ import annotations

import base64
import gzip
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.inference.provenance import Tier
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.answer.honesty import honesty_of
from simulation.answer.standings import standings_of
from simulation.pictures.course import episodes_of, lines_of
from simulation.pictures.network import network_of
from simulation.plan import Plan
from simulation.report import write_report
from simulation.report.society import players_of
from simulation.report.sources import find_sources
from simulation.runs.runner import RunStoppedError, run_scenario
from simulation.store.events import StepResolved
from simulation.studies.metrics import measure_metrics
from simulation.tables.run import Run, load_run
from simulation.training.start import train_scenario
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

HOSTILE = "</script><script>alert(1)</script> \x1b[31mred\x1b[0m"


def unpacked(page: str, name: str) -> Any:
    """One of the page's blobs."""
    found = re.search(rf'<script type="application/octet-stream" id="{name}">(.*?)</script>', page)
    assert found is not None, name
    return orjson.loads(gzip.decompress(base64.b64decode(found[1])))


def test_standings_are_means_over_episodes_with_intervals(small_run: Run) -> None:
    found = {(each.by, each.name, each.figure): each for each in standings_of(small_run)}
    for model_id, rows in small_run.outcomes.groupby("model_id", observed=True):
        mine = found["model", str(model_id), "payoff"]
        assert mine.value == pytest.approx(rows["payoff"].mean())
        assert mine.n == len(rows) == 2
        assert (mine.low, mine.high) == (None, None)  # two episodes are too few
    reds = small_run.outcomes.query("team_id == 'red'")
    assert found["team", "red", "efficiency"].value == pytest.approx(reds["efficiency"].mean())


def test_standings_of_one_episode_have_no_interval(make_plan: Callable[..., Plan], runs: Path) -> None:
    standings = standings_of(run_scenario(make_plan(episodes=1), out=runs))
    assert standings
    assert all(each.low is each.high is None for each in standings)


def test_standings_never_average_tiers(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = (
        ModelConfig(model_id="a", model_name="cooperator"),
        ModelConfig(model_id="b", policy="tit_for_tat"),
    )
    run = run_scenario(make_plan(rows=rows, mode="cooperative"), out=runs)
    tiers = {each.name: each.tier for each in standings_of(run) if each.by == "model"}
    assert tiers == {"a": "simulated", "b": "scripted"}
    roles = [each.tier for each in standings_of(run) if each.by == "role" and each.figure == "payoff"]
    assert sorted(roles) == ["scripted", "simulated"]  # one role, two sources: two figures


def test_course_ends_in_the_payoff_of_the_outcomes(small_run: Run) -> None:
    ends = {line.model: line.values[-1] for line in lines_of(small_run) if line.figure == "total_payoff"}
    means = small_run.outcomes.groupby("model_id", observed=True)["payoff"].mean()
    assert ends == pytest.approx({str(name): value for name, value in means.items()})


def test_course_has_welfare_and_gini_of_every_episode(small_run: Run) -> None:
    points = episodes_of(small_run)
    assert [(each.welfare, each.gini) for each in points] == list(
        zip(small_run.episodes["welfare"], small_run.episodes["gini"], strict=True)
    )


def test_network_counts_every_message_heard(small_run: Run) -> None:
    network = network_of(small_run)
    heard: Counter[tuple[str, str]] = Counter()
    for sender, audience in zip(small_run.messages["sender"], small_run.messages["audience"], strict=True):
        heard.update((str(sender), hearer) for hearer in audience)
    names = [node.name for node in network.nodes]
    sums = {
        (names[a], names[b]): sum(step[link] for step in network.heard) for link, (a, b) in enumerate(network.links)
    }
    assert sums == dict(heard)
    assert len(network.heard) == len(network.bins) == 2  # steps


def test_network_counts_links_that_are_not_drawn(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulation.pictures.network.MOST_LINKS", 1)
    network = network_of(small_run)
    hearings = int(small_run.messages["audience"].map(len).sum())
    assert len(network.links) == 1
    assert network.left_out > 0
    assert sum(map(sum, network.sent)) == sum(map(sum, network.got)) == hearings
    by_sender = small_run.messages["audience"].map(len).groupby(small_run.messages["sender"].astype(str)).sum()
    assert [sum(step[at] for step in network.sent) for at in range(len(network.nodes))] == [
        by_sender[node.name] for node in network.nodes
    ]


def test_honesty_counts_failures_and_fallbacks(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        keys = {"tiers": ["http", "simulated"], "endpoints": [server.url], "retries": 0}
        server.script(Fault.SERVER_ERROR)
        run = run_scenario(make_plan(episodes=1, inference=keys), out=runs)
    honesty = honesty_of(run)
    assert honesty.failed == 1
    assert honesty.fallbacks == 1
    assert honesty.tiers == {Tier.HTTP.value: 15, Tier.SIMULATED.value: 1}
    assert honesty.real == pytest.approx(15 / 16)


def test_players_say_what_was_simulated_in_any_episode(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        keys = {"tiers": ["http", "simulated"], "endpoints": [server.url], "retries": 0}
        server.script(Fault.SERVER_ERROR)
        run = run_scenario(make_plan(episodes=2, inference=keys), out=runs)
    (first,) = [row for row in run.outcomes.itertuples() if row.simulated]
    assert first.episode == 0
    own = run.outcomes[run.outcomes["model_id"] == first.model_id]
    says = {card.model: card.player for card in players_of(run)}
    assert says.pop(first.model_id) == f"{first.model_name}, 1 of {own['texts'].sum()} simulated"
    assert not [player for player in says.values() if "simulated" in player]


def test_report_needs_no_network_and_has_every_text(small_run: Run, tmp_path: Path) -> None:
    page = write_report([small_run.path], tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert "default-src 'none'" in page
    texts = unpacked(page, "texts-0")
    spoken = list(small_run.messages["text"])
    assert texts["said"][: len(spoken)] == spoken
    assert len(texts["said"]) == len(spoken) + len(small_run.decisions)
    details = unpacked(page, "details-0-0")
    assert len(details) == len(texts["said"])
    for (prompt, reply, audience), text, heard in zip(
        details, small_run.messages["text"], small_run.messages["audience"], strict=False
    ):
        assert [role for role, _ in prompt] == ["system", "user"]
        assert "public_goods" in prompt[0][1] or "Public goods" in prompt[0][1]
        assert (reply, tuple(audience)) == (text, heard)


def test_report_shows_every_metric_of_the_run(small_run: Run, tmp_path: Path) -> None:
    page = write_report([small_run.path], tmp_path / "report.html", prompts=False).read_text(encoding="utf-8")
    [run] = unpacked(page, "summary")["runs"]
    report = measure_metrics([small_run])
    assert run["metrics"]["rows"] == orjson.loads(orjson.dumps([asdict(row) for row in report.rows]))
    assert {row["metric"] for row in run["metrics"]["rows"]} >= {"iqm", "reciprocity", "polarization"}


def test_hostile_text_stays_text_in_the_report(make_plan: Callable[..., Plan], runs: Path, tmp_path: Path) -> None:
    with in_thread(ScriptedVLLM(says=HOSTILE)) as server:
        keys = {"tiers": ["http"], "endpoints": [server.url], "max_tokens": 200}
        run = run_scenario(make_plan(episodes=1, inference=keys), out=runs)
    assert HOSTILE in set(run.messages["text"])
    page = write_report([run.path], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "alert(1)" not in page
    assert HOSTILE in unpacked(page, "texts-0")["said"]


def test_report_without_stored_prompts_says_why(make_plan: Callable[..., Plan], runs: Path, tmp_path: Path) -> None:
    run = run_scenario(make_plan(prompts="off"), out=runs)
    page = write_report([run.path], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "prompts: off" in unpacked(page, "summary")["runs"][0]["no_prompts"]
    assert not any(prompt for prompt, _, _ in unpacked(page, "details-0-0"))


def test_unfinished_run_is_reported_up_to_its_end(make_plan: Callable[..., Plan], runs: Path, tmp_path: Path) -> None:
    def cut(event: object) -> None:
        if isinstance(event, StepResolved) and event.episode == 1:
            raise KeyboardInterrupt

    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(make_plan(), out=runs, on_event=cut)
    page = write_report([stopped.value.path], tmp_path / "report.html").read_text(encoding="utf-8")
    [run] = unpacked(page, "summary")["runs"]
    assert run["honesty"]["status"] == "stopped"
    assert run["no_prompts"] == ""
    assert len(run["episodes"]) == len(load_run(stopped.value.path).episodes) == 1
    texts, details = unpacked(page, "texts-0"), unpacked(page, "details-0-0")
    shown = {episode: bool(prompt) for episode, (prompt, _, _) in zip(texts["episode"], details, strict=True)}
    assert shown == {1: True, 2: True}


def test_sources_of_a_run_include_its_tournament(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    game = ("--game", "prisoners_dilemma", "--tier", "simulated", "--episodes", "2", "--jobs", "1")
    _, out, _ = society(capsys, "study", "tournament", "first_contact", *game, "--out", str(tmp_path))
    folder = Path(out.splitlines()[-1])
    first, second, *_ = sorted(file.parent for file in folder.rglob("manifest.json"))
    found = find_sources([first, second])
    assert [run.path for run in found.runs] == [first, second]
    assert [result.path.resolve() for result in found.tournaments] == [folder.resolve()]


def test_standings_by_mode_count_all_models(small_run: Run) -> None:
    [found] = [each for each in standings_of(small_run) if each.by == "mode" and each.figure == "payoff"]
    assert (found.name, found.mode, found.tier) == ("team_battle", "team_battle", "simulated")
    assert found.value == pytest.approx(small_run.outcomes["payoff"].mean())


def test_sources_of_a_folder_are_its_runs(small_run: Run) -> None:
    assert [run.path for run in find_sources([small_run.path.parent]).runs] == [small_run.path]


def test_folder_without_anything_to_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SocietyError, match="has no run"):
        write_report([tmp_path], tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_both_languages_have_the_same_labels(small_run: Run, tmp_path: Path) -> None:
    page = write_report([small_run.path], tmp_path / "r.html", prompts=False).read_text(encoding="utf-8")
    labels = unpacked(page, "summary")["labels"]
    assert set(labels["en"]) == set(labels["zh"])
    assert set(re.findall(r'data-label(?:-title)?="(\w+)"', page)) <= set(labels["en"])


def test_report_command_prints_the_file_it_wrote(
    small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = society(capsys, "report", str(small_run.path), "--out", str(tmp_path / "mine.html"))
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").stat().st_size < 300_000


def test_report_of_a_training_has_gates_and_league(tmp_path: Path) -> None:
    gate = {"every": 1, "held_out": ["always_defect", "random"], "delta": 0.1}
    gated = train_scenario(
        "dilemma_tables", set={"training.method": "exact", "training.gate": gate}, updates=1, out=tmp_path
    )
    smaller = {"training.league.oracle_updates": 2, "training.league.most": 2}
    league = train_scenario("blotto_league", set=smaller, out=tmp_path)
    page = write_report([gated.path, league.path], tmp_path / "report.html").read_text(encoding="utf-8")
    first, second = unpacked(page, "summary")["trainings"]
    assert [row["partner"] for row in first["gates"]] == ["company", "always_defect", "random"] * 2
    assert {row["verdict"] for row in first["gates"]} == set(gated.gates["verdict"])
    assert first["league"] is None
    assert second["league"]["payoffs"]["bo"] == league.league.payoffs("bo").to_numpy().tolist()
    assert {name: sum(chances) for name, chances in second["league"]["mixture"].items()} == pytest.approx(
        {"ann": 1.0, "bo": 1.0}
    )


def test_report_of_a_training_has_curves_cells_and_lineage(tmp_path: Path) -> None:
    training = train_scenario("dilemma_tables", set={"training.method": "exact"}, updates=2, out=tmp_path)
    page = write_report([training.path], tmp_path / "report.html").read_text(encoding="utf-8")
    (found,) = unpacked(page, "summary")["trainings"]
    assert (found["scenario"], found["method"]) == ("dilemma_tables", "exact")
    assert "the learners are tables of probabilities" in [line for line, _ in found["banner"]["lines"]]
    assert {row["update"] for row in found["updates"]} == {0, 1, 2}
    assert {row["choice"] for row in found["cells"]} == {"cooperate"}
    assert len(found["cells"]) == 2 * 10  # updates, situations of both
    (known,) = found["known_answers"]
    assert (known["learner"], known["answer"], known["value"]) == ("", "equilibrium", 1.0)
    assert (found["gates"], found["league"], found["modes"]) == ([], None, [])
    last = [row for row in found["updates"] if row["learner"] == "ann"]
    assert [row["parent"] for row in last[1:]] == [row["version"] for row in last[:-1]]

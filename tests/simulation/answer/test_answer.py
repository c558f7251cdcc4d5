"""What a run answers is what its tables say; no simulated row names an adapter; every surface has the same block."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.cells import cell_len
from rich.console import Console

from agents.prompts import PlayerContext
from agents.roster import ModelConfig, Roster
from simulation.answer import RunAnswer, answer_html, answer_of, answer_text
from simulation.answer.quotes import QuoteReason
from simulation.answer.words import lead_text, sections_of, title_of
from simulation.metrics.intervals import mean_interval
from simulation.monitor.outcomes import outcome_tables
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.scenario import Scenario
from simulation.store.run_directory import locked
from simulation.tables.listing import CUT_OFF
from simulation.tables.players import player_name
from simulation.tables.run import Run, load_run
from tests.conftest import models
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

HOSTILE = "</script><script>alert(1)</script> \x1b[31mred\x1b[0m"
DILEMMA = [{"task_id": "d", "task_type": "prisoners_dilemma", "max_steps": 3}]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Seven episodes of a dilemma on the simulated tier."""
    keys = {"name": "small", "mode": "team_battle", "roster": "inline", "seed": 3, "episodes": 7, "tasks": DILEMMA}
    scenario = Scenario.model_validate({**keys, "inference": {"tiers": ["simulated"]}})
    plan = Plan(scenario, Roster(name="r", base_model="SmolLM2-135M-Instruct", models=models(4)))
    return run_scenario(plan, out=tmp_path_factory.mktemp("runs"))


def served(make_plan: Callable[..., Plan], runs: Path, *faults: Fault, says: str = "") -> Run:
    """A run whose server fails in the given ways first; simulated replies stand in."""
    with in_thread(ScriptedVLLM(says=says) if says else ScriptedVLLM()) as server:
        server.script(*faults)
        keys = {"tiers": ["http", "simulated"], "endpoints": [server.url], "retries": 0}
        return run_scenario(make_plan(episodes=1, inference=keys), out=runs)


def lines_of(answer: RunAnswer, key: str) -> str:
    return "\n".join(line.text for section in sections_of(answer) if section.key == key for line in section.lines)


def test_best_is_the_highest_mean_payoff_of_the_outcomes(run: Run) -> None:
    means = run.outcomes.groupby("model_id")["payoff"].mean().sort_values(ascending=False)
    places = answer_of(run).best[0].models.places
    assert [each.value for each in places] == pytest.approx(list(means))
    assert places[0].name == means.index[0]
    assert {each.n for each in places} == {7}


def test_lead_has_the_interval_of_paired_differences(run: Run) -> None:
    [part] = answer_of(run).best
    payoffs = run.outcomes.pivot_table(index="episode", columns="model_id", values="payoff")
    first, second = (payoffs[each.name] for each in part.models.places[:2])
    expected = mean_interval((first - second).to_numpy())
    lead = part.models.lead
    assert lead is not None
    assert (lead.value, lead.low, lead.high, lead.n) == pytest.approx(
        (expected.value, expected.low if expected.known else None, expected.high if expected.known else None, 7)
    )


def test_lead_of_few_episodes_is_not_called_known(make_plan: Callable[..., Plan], runs: Path) -> None:
    answer = answer_of(run_scenario(make_plan(tasks=DILEMMA, episodes=2), out=runs))
    lead = answer.best[0].models.lead
    assert lead is not None
    assert lead.low is lead.high is None
    assert "too few episodes to know" in lead_text(lead, "a", "b")
    assert any("Too few episodes for an interval: 2, need 6" in doubt for doubt in answer.doubts)


def test_nobody_is_ranked_where_nothing_is_paid(runs: Path) -> None:
    watched = run_scenario("evening_feed", tier="simulated", set={"tasks.0.max_steps": 1}, out=runs)
    text = answer_text(watched, 100)
    assert "everyone earned 0: payoffs do not tell the models apart" in text
    assert "1. " not in text


def test_groups_are_ranked_where_they_differ_from_models(run: Run) -> None:
    rankings = {each.by: each for each in answer_of(run).best[0].rankings}
    assert "role" not in rankings  # each of the four models has a role of its own
    teams = run.outcomes.groupby("team_id")["payoff"].mean()
    assert {each.name: each.value for each in rankings["team"].places} == pytest.approx(teams.to_dict())


def test_quotes_follow_their_rules(run: Run) -> None:
    answer = answer_of(run)
    best, worst, change = answer.quotes
    assert [each.reason for each in answer.quotes] == list(QuoteReason)
    places = answer.best[0].models.places
    steps = run.steps.set_index(["episode", "step", "model_id"]).sort_index()
    for quote, place, most in ((best, places[0], True), (worst, places[-1], False)):
        own = run.steps[run.steps["model_id"] == place.name]["payoff"]
        assert quote.who == place.name
        assert quote.payoff == (own.max() if most else own.min())
        at = (quote.episode - 1, quote.step - 1)  # people count from 1, tables from 0
        assert steps.loc[(*at, quote.who)]["payoff"] == quote.payoff
        said = run.messages[(run.messages["episode"] == at[0]) & (run.messages["step"] == at[1])]
        assert quote.text in set(said[said["sender"] == quote.who]["text"])
    now = steps.loc[(change.episode - 1, change.step - 1, change.changed)]["cooperation"]
    before = steps.loc[(change.episode - 1, change.step - 2, change.changed)]["cooperation"]
    assert abs(now - before) == 1  # no change of a dilemma's decision is larger
    assert change.before != change.action


def test_run_without_a_quote_says_whether_anyone_spoke(make_plan: Callable[..., Plan], runs: Path, run: Run) -> None:
    assert "of the steps in which it spoke" in lines_of(answer_of(run), "said")
    assert lines_of(replace(answer_of(run), quotes=()), "said") == "no message to quote"
    silent = run_scenario(make_plan(episodes=1, communication={"talk_rounds": 0}), out=runs)
    assert lines_of(answer_of(silent), "said") == "no message was sent"


def test_nearness_is_that_of_the_episodes(run: Run) -> None:
    [near] = answer_of(run).nearness
    assert near.welfare == pytest.approx(run.episodes["welfare"].mean())
    assert near.share == pytest.approx(run.episodes["welfare"].mean() / run.episodes["optimum"].mean())
    assert near.nash == pytest.approx(run.episodes["nash"].mean())
    assert near.response == pytest.approx(run.outcomes["accuracy"].mean())


def test_simulated_rows_name_no_adapter_anywhere(run: Run) -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(*outcome_tables(run))
    shown = (answer_text(run, 120), answer_html(run), console.export_text(), run.summary().to_string())
    for text in shown:
        assert "cooperator" not in text
        assert "simulated leader" in text


@pytest.mark.parametrize("width", [60, 80])
def test_narrow_table_keeps_player_team_and_payoff(run: Run, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(*outcome_tables(run))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    [heads] = [[cell.strip() for cell in line.split("┃")[1:-1]] for line in lines if "┃ model" in line]
    assert heads[:4] == ["model", "played by", "team", "payoff"]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    payoffs = [float(row[3]) for row in rows if row[3]]
    assert payoffs == sorted(payoffs, reverse=True)
    assert {word for row in rows for word in row[1].split()} >= {"simulated", "leader", "follower", "teammate"}
    hidden = " ".join(lines).partition(f"Not shown in {width} columns:")[2]
    assert all(head in hidden for head in ("accuracy", "role"))


def test_partly_simulated_row_says_how_many(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = served(make_plan, runs, Fault.SERVER_ERROR)
    [row] = run.outcomes[run.outcomes["simulated"] > 0].to_dict("records")
    assert (row["simulated"], row["texts"]) == (1, 4)
    assert row["player"] == "cooperator, 1 of 4 simulated"
    assert "cooperator, 1 of 4 simulated" in answer_text(run, 200)
    assert set(run.outcomes["player"]) == {"cooperator", "cooperator, 1 of 4 simulated"}


def test_player_is_the_stand_in_where_all_is_simulated() -> None:
    assert player_name("x", "leader", 0, 3) == "x"
    assert player_name("x", "leader", 0, 0) == "not asked"
    assert player_name("x", "leader", 3, 3) == "simulated leader"
    assert player_name("x", "leader", 2, 3) == "x, 2 of 3 simulated"


@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_text_fits_its_width_and_breaks_between_words(run: Run, width: int) -> None:
    text = answer_text(run, width)
    words = {word for section in sections_of(answer_of(run)) for line in section.lines for word in line.text.split()}
    long = [line for line in text.splitlines() if cell_len(line) > max(60, width)]
    assert all(len(line.split()) == 1 for line in long)  # a path has no word end
    assert words <= set(text.split())


def test_doubts_name_simulated_replies_and_missing_memory(run: Run) -> None:
    doubts = lines_of(answer_of(run), "doubts")
    assert f"SIMULATED: {len(run.messages) + len(run.decisions)} of" in doubts
    assert "no memory" in doubts


def test_a_prompt_holds_nothing_of_earlier_steps() -> None:
    """What the note on memory says: all that a prompt varies by is of this step, but for what `memory` remembers."""
    given = set(PlayerContext.__dataclass_fields__) - {"remembered"}
    assert given == {
        *("step", "max_steps", "identity", "heard", "observation_text", "choices", "feed", "horizon", "note"),
        *("network", "announced", "addressee"),
    }


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"tasks": DILEMMA}, "Models have no memory: a prompt holds the rules"),
        ({"tasks": [{"task_id": "net", "task_type": "social_network", "max_steps": 1}]}, "In a social network models"),
        ({"tasks": DILEMMA, "memory": {"window": 3, "of": ["own"]}}, "Models remember the last 3 steps"),
    ],
)
def test_note_says_what_models_remember(
    make_plan: Callable[..., Plan], runs: Path, keys: dict[str, Any], said: str
) -> None:
    answer = answer_of(run_scenario(make_plan(2, mode="cooperative", episodes=1, **keys), out=runs))
    (note,) = answer.notes
    assert note.startswith(said)


def test_answer_names_the_events_that_happened(make_plan: Callable[..., Plan], runs: Path) -> None:
    events = [{"at": "*.1", "show": "Hello."}, {"at": "1.1", "mute": True}]
    plan = make_plan(2, mode="cooperative", episodes=2, tasks=DILEMMA, events=events)
    doubts = answer_of(run_scenario(plan, out=runs)).doubts
    assert "Events happened to the run (run.events): show 2, mute 1." in doubts


def test_answer_counts_what_noise_changed(make_plan: Callable[..., Plan], runs: Path, run: Run) -> None:
    noisy = run_scenario(make_plan(episodes=3, tasks=[{**DILEMMA[0], "noise": 0.5}]), out=runs)
    changed, decisions = int(noisy.decisions["played"].notna().sum()), len(noisy.decisions)
    assert 0 < changed < decisions
    told = f"by noise {changed} of {decisions} decisions were carried out as another option"
    assert told in lines_of(answer_of(noisy), "played")
    assert "noise" not in lines_of(answer_of(run), "played")


def test_scripted_society_has_no_note_on_memory(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, policy="tit_for_tat") for name in ("a", "b"))
    answer = answer_of(run_scenario(make_plan(rows=rows, mode="cooperative", tasks=DILEMMA), out=runs))
    assert answer.notes == ()
    assert answer.played.players == {"policy:tit_for_tat": 2}


def test_answer_of_a_cut_run_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    lines = (run.path / "events.jsonl").read_bytes().splitlines(keepends=True)
    first_end = next(number for number, line in enumerate(lines) if b'"EpisodeEnded"' in line)
    cut = {"status": "stopped", "reason": "interrupted"}
    (tmp_path / "manifest.json").write_bytes(orjson.dumps({**run.manifest, **cut}))
    (tmp_path / "events.jsonl").write_bytes(b"".join(lines[:first_end]))
    answer = answer_of(load_run(tmp_path))
    assert answer.best == answer.quotes == answer.nearness == ()
    assert f"society resume {tmp_path} goes on with it" in lines_of(answer, "played")
    assert "The run is stopped (interrupted)" in lines_of(answer, "doubts")
    assert "no episode has ended" in title_of(answer)


def test_live_run_is_not_told_to_resume_but_a_killed_one_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(orjson.dumps({**run.manifest, "status": "running"}))
    shutil.copy(run.path / "events.jsonl", tmp_path)
    killed = answer_of(load_run(tmp_path))
    assert killed.state == CUT_OFF
    assert f"society resume {tmp_path} goes on with it" in lines_of(killed, "played")
    assert "The run is cut off" in lines_of(killed, "doubts")
    lock = locked(tmp_path)
    try:
        live = answer_of(load_run(tmp_path))
    finally:
        lock.release()
    assert live.state == "running"
    assert f"society view {tmp_path} shows it" in lines_of(live, "played")
    assert "resume" not in lines_of(live, "played")


def test_hostile_text_stays_text(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = served(make_plan, runs, says=HOSTILE)
    assert "<script>" not in answer_html(run)
    assert "\x1b" not in answer_html(run) + answer_text(run, 80)
    assert "alert(1)" in answer_text(run, 200)


def test_run_in_a_notebook_cell_is_its_answer(run: Run) -> None:
    assert run._repr_html_() == answer_html(run)
    assert run.answer == answer_of(run)

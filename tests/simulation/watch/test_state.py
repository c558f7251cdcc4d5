"""The state after all events, compared with the run's own tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from agents.role import ModelRole
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.store.events import (
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    MessageSent,
    Outcome,
    RunResumed,
    StepResolved,
    StepRow,
)
from simulation.store.log import EventLog, read_events
from simulation.tables.run import Run
from simulation.watch.state import ENTRIES, LONGEST, RunState
from simulation.watch.sums import POINTS
from simulation.watch.view import EntryKind, Grouping, LiveView, WatchStatus
from tests.conftest import models
from tests.simulation.watch.joined import joined


def followed(run: Run) -> RunState:
    state = RunState(run.path.name, run.manifest)
    for event in read_events(run.path / EventLog.NAME):
        state.add(event)
    return state


def assert_equals_tables(view: LiveView, run: Run) -> None:
    """Compare every sum that is shown with the tables."""
    tiers = [*run.messages["tier"], *run.decisions["tier"], *run.acts["tier"]]
    assert view.honesty.texts == Counter(tiers)
    assert view.honesty.failed == (run.calls["status"] == "failed").sum()
    assert view.honesty.invalid == (~run.decisions["valid"]).sum()
    assert view.progress.ended == len(run.episodes)
    assert sum(each.ok for each in view.calls.tiers) == (run.calls["status"] == "ok").sum()
    assert sum(each.completion_tokens for each in view.calls.tiers) == run.calls["completion_tokens"].sum()
    tiers_of = run.outcomes.set_index(["episode", "model_id"])["tier"].astype(str)

    def filed(rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with the tier of their model's outcome."""
        places = zip(rows["episode"], rows["model_id"], strict=True)
        return rows.assign(tier=[tiers_of[place] for place in places])

    all_steps, all_sent = filed(run.steps), filed(run.messages.rename(columns={"sender": "model_id"}))
    for row in view.rows:
        steps = own(all_steps, row.model_id, row.tier, row.synthetic)
        assert row.total_payoff == pytest.approx(steps["payoff"].sum())
        means = steps["cooperation"].dropna()
        assert row.cooperation == (pytest.approx(means.mean()) if len(means) else None)
        outcomes = own(run.outcomes, row.model_id, row.tier, row.synthetic)
        assert row.episodes == len(outcomes)
        for mean, column in ((row.reward, "reward_earned"), (row.payoff, "payoff")):
            assert mean == (pytest.approx(outcomes[column].mean()) if len(outcomes) else None)
        assert row.episodes > 0
        assert {row.player} == set(outcomes["player"]) or row.episodes > 1
        assert row.player != "cooperator" or row.tier != "simulated"
        assert row.messages == len(own(all_sent, row.model_id, row.tier, row.synthetic))
    assert sum(row.total_payoff for row in view.rows) == pytest.approx(run.steps["payoff"].sum())
    assert sum(row.messages for row in view.rows) == len(run.messages)
    assert sum(link.messages for link in view.links) == run.messages["audience"].map(len).sum()
    assert sum(line.total for line in view.lines) == pytest.approx(run.steps["payoff"].sum())


def own(rows: pd.DataFrame, model_id: str, tier: str, synthetic: bool) -> pd.DataFrame:
    return rows[(rows["model_id"] == model_id) & (rows["tier"] == tier) & (rows["synthetic"] == synthetic)]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"communication": {"social_actions": ["create_post", "like_post"]}},
        {"tasks": [{"task_id": "words", "task_type": "strategy", "max_steps": 2}]},
        {"tasks": [{"task_id": "turns", "task_type": "trust", "max_steps": 3}], "mode": "competitive"},
    ],
    ids=["plain", "social", "synthetic", "turns"],
)
def test_view_equals_the_tables(make_plan: Callable[..., Plan], runs: Path, keys: dict[str, object]) -> None:
    rows = (*models(3), ModelConfig(model_id="mirror", policy="tit_for_tat", role=ModelRole.LEADER, team_id="blue"))
    run = run_scenario(make_plan(rows=rows, **keys), out=runs)
    view = followed(run).view()
    assert_equals_tables(view, run)
    assert view.progress.status is WatchStatus.FINISHED
    texts = [entry.text for entry in view.entries if entry.kind is EntryKind.MESSAGE]
    assert texts == list(run.messages["text"].astype(object))[-ENTRIES:]


def test_model_of_two_tiers_has_one_row(make_plan: Callable[..., Plan]) -> None:
    """Steps are filed under the lowest tier of the episode, also those without a choice, before it ends and after."""
    state = endless(make_plan(), 1)
    for step, tier in ((1, "simulated"), (2, "")):
        if tier:
            state.add(DecisionMade(0, step, "m0", "all", "all", 1, tier, "a", "", 0.1, "", None))
        state.add(StepResolved(0, step, 0.5, (StepRow("m0", 1.0, None, step + 1.0),)))
    [row] = state.view().rows
    assert (row.tier, row.player, row.total_payoff) == ("simulated", "cooperator, 1 of 3 simulated", 3.0)
    earned = Outcome("m0", "cooperator", "leader", None, "", "simulated", 0.7, 3.0, 1.0, None, 1.0, 2.0, 1.0, 1, 0)
    state.add(EpisodeEnded(0, 3, 1.5, "simulated", 0.7, 3.0, None, 3.0, None, (earned,)))
    assert state.view().rows == (replace(row, episodes=1, reward=2.0, payoff=3.0),)


def test_model_that_is_not_asked_names_no_adapter(make_plan: Callable[..., Plan]) -> None:
    state = endless(make_plan(), 0)
    state.add(StepResolved(0, 0, 0.5, (StepRow("m0", 1.0, None, 1.0),)))
    [row] = state.view().rows
    assert (row.tier, row.player, row.total_payoff) == ("none", "not asked", 1.0)


def test_increments_add_up_to_the_whole_view(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(episodes=3), out=runs)
    state, views = RunState(run.path.name, run.manifest), []
    views.append(state.view())
    for number, event in enumerate(read_events(run.path / EventLog.NAME)):
        state.add(event)
        if number % 3 == 0:
            views.append(state.news())
    views.append(state.news())
    assert joined(views) == state.view()
    assert not any(view.whole for view in views[1:])


def test_resume_takes_back_the_episode_but_not_its_calls(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    events = list(read_events(run.path / EventLog.NAME))
    second = next(n for n, each in enumerate(events) if isinstance(each, EpisodeStarted) and each.episode == 1)
    torn = [*events[: second + 14], RunResumed(1), *events[second:]]
    paid_twice = sum(type(each).__name__ == "CallMade" for each in events[second : second + 14])
    state, views = RunState(run.path.name, run.manifest), []
    for event in torn:
        state.add(event)
        views.append(state.news())
    plain = followed(run).view()
    assert state.view().rows == plain.rows
    assert state.view().links == plain.links
    assert state.view().points == plain.points
    assert [entry.text for entry in state.view().entries] == [entry.text for entry in plain.entries]
    assert state.view().progress.resumed == 1
    assert sum(tier.ok for tier in state.view().calls.tiers) == len(run.calls) + paid_twice
    assert joined(views) == state.view()
    assert [view.whole for view in views].count(True) == 1


def endless(plan: Plan, steps: int) -> RunState:
    """A state after that many made-up steps of one player."""
    manifest = {
        "scenario": plan.scenario.model_dump(mode="json"),
        "roster": plan.roster.model_dump(mode="json"),
    }
    state = RunState("endless", manifest)
    state.add(EpisodeStarted(0, "goods", "public_goods", "cooperative", "", 1.0, False, 1.0, 0.5, 0.5))
    message = MessageSent(0, 0, 0, "m0", None, ("m1",), ("m1",), "x" * 3000, "http", "a", "", 0.1, "", 1, 1)
    decision = DecisionMade(0, 0, "m0", "all", "all", 1, "http", "a", "", 0.1, "", None)
    for step in range(steps):
        state.add(replace(message, step=step))
        state.add(replace(decision, step=step))
        state.add(StepResolved(0, step, 0.5, (StepRow("m0", 1.0, 1.0, step + 1.0),)))
    return state


def test_long_run_has_fewer_points_but_whole_sums(make_plan: Callable[..., Plan]) -> None:
    state = endless(make_plan(), 3000)
    view = state.view()
    assert len(view.points) <= POINTS
    assert [point.totals[0] for point in view.points] == [point.step for point in view.points]
    assert view.lines[0].total == view.rows[0].total_payoff == 3000
    assert view.entry_count == 6000
    assert len([entry for entry in view.entries if entry.kind is EntryKind.MESSAGE]) == ENTRIES
    assert view.entries[0].text.startswith("x" * LONGEST + "… (3,000")


def test_fewer_points_are_sent_as_a_whole_view(make_plan: Callable[..., Plan]) -> None:
    state, views = endless(make_plan(), POINTS), []
    views.append(state.news())
    for step in range(POINTS, POINTS + 5):
        state.add(StepResolved(0, step, 0.5, (StepRow("m0", 1.0, 1.0, step + 1.0),)))
        views.append(state.news())
    assert joined(views) == state.view()


@pytest.mark.parametrize(("count", "grouping"), [(4, Grouping.MODEL), (40, Grouping.TEAM)])
def test_many_models_are_grouped_by_team(
    make_plan: Callable[..., Plan], runs: Path, count: int, grouping: Grouping
) -> None:
    run = run_scenario(make_plan(count, episodes=1), out=runs)
    view = followed(run).view()
    assert view.grouping is grouping
    assert_equals_tables(view, run)
    if grouping is Grouping.TEAM:
        assert {line.name for line in view.lines} == {"red", "blue"}


def test_message_is_shown_before_its_talk_round_ends(make_plan: Callable[..., Plan], runs: Path) -> None:
    """Every text is shown once it is said: when its call ends, which the log has before the message itself."""
    run = run_scenario(make_plan(episodes=1), out=runs)
    state, early, said = RunState(run.path.name, run.manifest), Counter[str](), 0
    for event in read_events(run.path / EventLog.NAME):
        if isinstance(event, MessageSent):
            assert state.view().said[0].text == event.text  # in the order of the calls
            early[event.sender] += 1
        state.add(event)
        said = max(said, len(state.view().said))
        assert len(state.view().said) + sum(early.values()) <= len(run.messages) + len(run.roster.expand())
    assert said == len(run.roster.expand())  # all had spoken before the first was heard
    assert early.total() == len(run.messages)
    assert state.view().said == ()


def test_log_is_readable_as_soon_as_a_message_is_heard(make_plan: Callable[..., Plan], runs: Path) -> None:
    """The file has a message before any decision of its step is made, not when the step ends."""
    seen: list[int] = []

    def look(event: object) -> None:
        if isinstance(event, MessageSent):
            (log,) = runs.glob("*/events.jsonl")
            seen.append(log.read_bytes().count(b'"type":"MessageSent"'))

    run = run_scenario(make_plan(episodes=1), out=runs, on_event=look)
    assert seen == list(range(1, len(run.messages) + 1))

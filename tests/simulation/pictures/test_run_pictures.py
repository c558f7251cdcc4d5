"""The pictures of a run have the figures of its tables, and its tiers above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import UsageError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from simulation.tables.runs import load_runs

MakePlan = Callable[..., Plan]
ROWS = (
    ModelConfig(model_id="a", model_name="cooperator"),
    ModelConfig(model_id="b", policy="always_defect"),
    ModelConfig(model_id="c", policy="always_defect"),
)


@pytest.fixture
def run(make_plan: MakePlan, runs: Path) -> Run:
    """Six episodes of public goods; two of the players are the same policy."""
    return run_scenario(make_plan(rows=ROWS, mode="cooperative", episodes=6), out=runs)


def test_payoffs_are_means_of_the_outcomes(run: Run) -> None:
    figure = run.plot.payoffs()
    shown = {str(name): value for trace in figure.data for name, value in zip(trace.y, trace.x, strict=True)}
    means = run.outcomes.groupby("model_id", observed=True)["payoff"].mean()
    assert shown == pytest.approx({str(name): value for name, value in means.items()})
    assert [trace.marker.symbol for trace in figure.data]
    titles = {each.text for each in figure.layout.annotations}
    assert titles == {"public_goods, cooperative, simulated", "public_goods, cooperative, scripted"}  # never averaged


def test_payoffs_by_adapter_pool_its_players(run: Run) -> None:
    (scripted,) = [trace for trace in run.plot.payoffs(by="adapter").data if "policy:always_defect" in trace.y]
    rows = run.outcomes[run.outcomes["model_name"] == "policy:always_defect"]
    assert scripted.x[0] == pytest.approx(rows["payoff"].mean())
    assert scripted.text[0] == "n = 6"  # episodes, not players


def test_cooperation_is_a_share(run: Run) -> None:
    values = [value for trace in run.plot.cooperation().data for value in trace.x]
    assert all(0 <= value <= 1 for value in values)


def test_course_joins_lines_that_hide_each_other(run: Run) -> None:
    names = [trace.name for trace in run.plot.course("cooperation").data]
    assert names == ["a", "b = c"]  # both always defect
    totals = run.plot.course().data
    assert list(totals[0].x) == [1, 2]  # steps are counted from 1
    last = run.steps[run.steps["step"] == 1].groupby("model_id", observed=True)["total_payoff"].mean()
    assert totals[0].y[-1] == pytest.approx(last["a"])


def test_network_has_every_link(run: Run) -> None:
    heard: Counter[str] = Counter()
    for sender, audience in zip(run.messages["sender"], run.messages["audience"], strict=True):
        heard.update(f"{hearer} heard {sender}" for hearer in audience)
    texts = [trace.text for trace in run.plot.network().data if isinstance(trace.text, str)]
    assert sorted(texts) == sorted(f"{link} {times} times" for link, times in heard.items())


def test_pictures_say_whose_texts_they_are(run: Run) -> None:
    pictures = run.plot
    for figure in (pictures.payoffs(), pictures.cooperation(), pictures.course(), pictures.network()):
        assert figure.layout.title.text.startswith("small: ")
        assert "SIMULATED: 33% of the texts are scripted" in figure.layout.title.subtitle.text


def test_runs_together_count_every_episode(make_plan: MakePlan, run: Run, runs: Path) -> None:
    other = run_scenario(make_plan(rows=ROWS, mode="cooperative", episodes=6, seed=9), out=runs)
    (mine,) = [trace for trace in load_runs(runs).plot.payoffs().data if list(trace.y) == ["a"]]
    both = [*run.outcomes.query("model_id == 'a'")["payoff"], *other.outcomes.query("model_id == 'a'")["payoff"]]
    assert mine.x[0] == pytest.approx(sum(both) / 12)
    assert mine.text[0] == "n = 12"
    lines = [trace for trace in load_runs(runs).plot.course("payoff").data if "a" in trace.name.split(" = ")]
    steps = [each.steps.query("model_id == 'a' and step == 1")["payoff"] for each in (run, other)]
    assert [line.y[1] for line in lines] == [pytest.approx(sum(map(sum, steps)) / 12)]
    with pytest.raises(UsageError, match=r"of one run: for run in runs: run\.plot\.network"):
        load_runs(runs).plot.network()


def test_unknown_group_or_course_is_refused_with_the_nearest(run: Run) -> None:
    with pytest.raises(UsageError, match="adapter"):
        run.plot.payoffs(by="adaptor")
    with pytest.raises(UsageError, match="cooperation"):
        run.plot.course("cooperaton")

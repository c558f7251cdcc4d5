"""The effect of messages: a planted effect is found, a planted null is not, and misleading inputs are refused."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from agents.players.policies import POLICIES, Observation, Policy, SpeakingStyle
from agents.problems import SocietyError
from agents.role import ModelRole
from agents.roster import ModelConfig
from simulation.metrics.comparable import MixedTiersError
from simulation.plan import Plan
from simulation.store.events import DecisionMade, Event
from simulation.studies.effect import (
    REPORT,
    EffectMeasure,
    EffectReport,
    EffectScope,
    compare,
    read_effects,
)
from simulation.studies.treatments import play_treatments, resume_treatments, run_folders
from simulation.tables.run import load_run
from simulation.treatment import Treatment

MakePlan = Callable[..., Plan]
PAIRS = 200
GOODS = {"task_id": "goods", "task_type": "public_goods", "max_steps": 1}


def table(listener: str) -> tuple[ModelConfig, ...]:
    """Two players who announce a random plan and follow it, and two listeners."""
    return (
        ModelConfig(model_id="rita", policy="random", role=ModelRole.LEADER),
        ModelConfig(model_id="rolf", policy="random", role=ModelRole.LEADER),
        ModelConfig(model_id="fay", policy=listener, role=ModelRole.FOLLOWER),
        ModelConfig(model_id="finn", policy=listener, role=ModelRole.FOLLOWER),
    )


@pytest.fixture
def plan_for(make_plan: MakePlan) -> MakePlan:
    def make(listener: str = "message_follower", episodes: int = 4, **keys: object) -> Plan:
        defaults = {"mode": "cooperative", "tasks": [GOODS], "inference": {"tiers": ["http"]}}
        return make_plan(rows=table(listener), episodes=episodes, **{**defaults, **keys})

    return make


def measured(plan: Plan, runs: Path, *treatments: Treatment) -> EffectReport:
    return read_effects(play_treatments(plan, treatments, out=runs))


def test_a_planted_effect_is_found(plan_for: MakePlan, runs: Path) -> None:
    report = measured(plan_for(episodes=PAIRS), runs, Treatment.SILENCED)
    for measure in EffectMeasure:
        (effect,) = report.find(Treatment.SILENCED, measure)
        assert effect.interval.n == PAIRS
        assert 0 < effect.interval.low < effect.interval.value < effect.interval.high
        assert effect.p_value < 0.01
        assert effect.p_adjusted < 0.01
    # followers give the mean of what they hear: two plans of half on average, and each other's 0, as they have heard
    # nothing yet when they speak: a third; in silence nothing
    (followers,) = report.find(Treatment.SILENCED, EffectMeasure.COOPERATION, EffectScope.ROLE, "follower")
    assert followers.interval.value == pytest.approx(1 / 3, abs=0.05)
    assert report.find(Treatment.SILENCED, EffectMeasure.PAYOFF, EffectScope.ROLE, "leader")[0].interval.low > 0
    assert report.find(Treatment.SILENCED, EffectMeasure.PAYOFF, EffectScope.MODEL, "fay")[0].interval.high < 0


def test_a_planted_null_is_not_found(plan_for: MakePlan, runs: Path) -> None:
    report = measured(plan_for("random", PAIRS), runs, Treatment.SILENCED)
    for measure in EffectMeasure:
        (effect,) = report.find(Treatment.SILENCED, measure)
        assert effect.interval.n == PAIRS
        assert not effect.interval.excludes(0)
        assert effect.p_value == 1.0  # players who ignore messages play the same episode in both runs


def _superstitious(view: Observation, rng: random.Random) -> float:
    """Every message changes the decision, in no particular direction."""
    return random.Random(f"{view.heard}{rng.random()}").choice((0.0, 1.0))


def test_a_noisy_null_is_not_found(plan_for: MakePlan, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy("superstitious", _superstitious, SpeakingStyle.WANDER)
    monkeypatch.setitem(POLICIES, "superstitious", policy)  # type: ignore[arg-type]
    report = measured(plan_for("superstitious", PAIRS), runs, Treatment.SILENCED)
    for measure in EffectMeasure:
        (effect,) = report.find(Treatment.SILENCED, measure)
        assert effect.interval.low < effect.interval.high
        assert not effect.interval.excludes(0)
        assert effect.p_value > 0.01


def test_shuffled_senders_do_not_matter_to_players_who_average(plan_for: MakePlan, runs: Path) -> None:
    report = measured(plan_for(episodes=10), runs, Treatment.SHUFFLED, Treatment.REPLACED)
    (shuffled,) = report.find(Treatment.SHUFFLED, EffectMeasure.COOPERATION, EffectScope.ROLE, "follower")
    (replaced,) = report.find(Treatment.REPLACED, EffectMeasure.COOPERATION, EffectScope.ROLE, "follower")
    assert shuffled.p_value == 1.0
    assert replaced.interval.value != 0  # the words of the other follower replaced the leaders' plans


def test_first_messages_are_the_same_in_both_runs(plan_for: MakePlan, runs: Path) -> None:
    folder = play_treatments(plan_for(), [Treatment.SILENCED], out=runs)
    texts = [
        list(load_run(run_folders(folder, treatment)[0]).messages.query("step == 0")["text"])
        for treatment in (Treatment.DELIVERED, Treatment.SILENCED)
    ]
    assert texts[0] == texts[1]


def test_every_task_and_mode_has_its_own_effect(plan_for: MakePlan, runs: Path) -> None:
    tasks = [GOODS, {**GOODS, "task_id": "long", "max_steps": 2}]
    mode = {"mixed": {"policy": "fixed_cycle"}}
    report = measured(plan_for(episodes=6, mode=mode, tasks=tasks), runs, Treatment.SILENCED)
    assert [effect.task_id for effect in report.find(Treatment.SILENCED, EffectMeasure.WELFARE)] == ["goods", "long"]
    quiet = report.find(Treatment.SILENCED, EffectMeasure.WELFARE, EffectScope.MODE, "competitive")
    loud = report.find(Treatment.SILENCED, EffectMeasure.WELFARE, EffectScope.MODE, "cooperative")
    assert {effect.interval.value for effect in quiet} == {0.0}  # nobody hears a message in these episodes
    assert all(effect.interval.value > 0 for effect in loud)


def test_effect_report_is_written_beside_its_runs(plan_for: MakePlan, runs: Path) -> None:
    folder = play_treatments(plan_for(), [Treatment.SILENCED], out=runs)
    report = read_effects(folder)
    stored = orjson.loads((folder / REPORT).read_bytes())
    assert len(stored["effects"]) == len(report.effects)
    assert set(stored["runs"]) == {"delivered", "silenced"}
    assert stored["tiers"] == ["scripted"]
    assert any("no p-value can be below 0.125" in note for note in report.notes)


def cut_at(number: int) -> Callable[[Event], None]:
    seen = itertools.count(1)

    def observe(event: Event) -> None:
        if isinstance(event, DecisionMade) and next(seen) == number:
            raise KeyboardInterrupt

    return observe


@pytest.mark.parametrize("decision", [6, 20])  # in the first run, in the second
def test_interrupted_effect_ends_in_the_same_report(plan_for: MakePlan, runs: Path, decision: int) -> None:
    whole = measured(plan_for(), runs, Treatment.SILENCED)
    with pytest.raises(SocietyError, match="society study effect") as stopped:
        play_treatments(plan_for(), [Treatment.SILENCED], out=runs, on_event=cut_at(decision))
    folder = Path(str(stopped.value).rsplit(" ", 1)[-1])
    with pytest.raises(SocietyError, match=r"not finished|needs the delivered run and"):
        read_effects(folder)
    assert read_effects(resume_treatments(folder)).effects == whole.effects


def test_learning_mixing_policy_is_refused(plan_for: MakePlan, runs: Path) -> None:
    with pytest.raises(SocietyError, match="fixed_cycle"):
        play_treatments(plan_for(mode="mixed"), out=runs)
    assert not runs.exists()


def test_effect_of_one_pair_is_refused(plan_for: MakePlan, runs: Path) -> None:
    with pytest.raises(SocietyError, match="at least 2 pairs"):
        play_treatments(plan_for(episodes=1), out=runs)


def test_effect_notes_that_no_message_was_heard(plan_for: MakePlan, runs: Path) -> None:
    report = measured(plan_for(mode="competitive"), runs, Treatment.SILENCED)
    assert any("no message was heard" in note for note in report.notes)


def test_synthetic_outcomes_are_not_compared(plan_for: MakePlan, runs: Path) -> None:
    words = {"task_id": "words", "task_type": "strategy", "max_steps": 1}
    with pytest.raises(SocietyError, match="synthetic"):
        measured(plan_for(tasks=[words]), runs, Treatment.SILENCED)
    report = measured(plan_for(tasks=[words, GOODS]), runs, Treatment.SILENCED)
    assert {effect.task_id for effect in report.effects} == {"goods"}


def test_runs_that_are_not_comparable_are_refused(plan_for: MakePlan, runs: Path) -> None:
    def arm(seed: int, treatment: Treatment) -> Path:
        return run_folders(play_treatments(plan_for(seed=seed), [treatment], out=runs), treatment)[0]

    delivered, other = load_run(arm(1, Treatment.DELIVERED)), load_run(arm(2, Treatment.SILENCED))
    with pytest.raises(SocietyError, match="runs are not comparable: `seed` differs"):
        compare({Treatment.DELIVERED: delivered, Treatment.SILENCED: other})
    with pytest.raises(SocietyError, match="its messages were delivered, not silenced"):
        compare({Treatment.DELIVERED: delivered, Treatment.SILENCED: delivered})
    with pytest.raises(SocietyError, match="delivered run"):
        compare({Treatment.SILENCED: other})


def test_tiers_are_not_mixed_unless_asked(make_plan: MakePlan, runs: Path) -> None:
    folder = play_treatments(make_plan(mode="cooperative"), [Treatment.SILENCED], out=runs)
    arms = {each: load_run(run_folders(folder, each)[0]) for each in (Treatment.DELIVERED, Treatment.SILENCED)}
    assert any("SIMULATED" in note for note in compare(arms).notes)
    arms[Treatment.SILENCED].outcomes["tier"] = "http"
    with pytest.raises(MixedTiersError):
        compare(arms)
    assert compare(arms, mix_tiers=True).tiers == ("http", "simulated")

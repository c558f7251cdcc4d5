"""Trainings of tables behind a gate: promoted, refused, sent back, and cut off anywhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from agents.learning.samples import Version
from agents.problems import InvalidFileError, SocietyError, UsageError
from agents.roster import ModelConfig, Roster
from simulation.modes import MixingPolicy
from simulation.plan import Plan
from simulation.runs.folders import play_in
from simulation.training import run as training_run
from simulation.training.export import default_update
from simulation.training.gate import arms
from simulation.training.gate.decision import GateVerdict
from simulation.training.gate.exact import exploitability_of
from simulation.training.gate.power import read_power
from simulation.training.ledger import Ledger
from simulation.training.lesson import UpdateContext
from simulation.training.methods.exact import graphs_of
from simulation.training.run import begin_training, config_of, read_plan, train
from simulation.training.start import train_scenario
from simulation.training.tables import load_training
from simulation.training.tabular import TabularTrainer

Begin = Callable[..., Path]
STRICT = {"every": 2, "held_out": ["always_defect", "tit_for_tat", "random"], "delta": 0.2}


def shared(begin: Begin, gate: dict[str, Any], **more: Any) -> Path:
    """A training of two tables that learn to share."""
    training = {"updates": 6, "adapter": {"learning_rate": 10.0}, "gate": {**STRICT, **gate}, **more}
    return begin(mode="cooperative", training=training)


def verdicts(folder: Path) -> list[GateVerdict]:
    return [found.verdict for line in Ledger(folder).lines for found in line.gates.values()]


def test_sharing_learner_is_refused_for_what_always_defect_takes(begin: Begin) -> None:
    folder = shared(begin, {})
    train(folder)
    assert set(verdicts(folder)) == {GateVerdict.REFUSED}
    training = load_training(folder)
    assert training.gates["update"].unique().tolist() == [2, 4, 6]
    assert training.gates["decision"].unique().tolist() == [1, 2, 3, 4, 5, 6]
    defect = training.gates[training.gates["partner"] == "always_defect"]
    assert (defect["difference"] < -0.2).all()
    assert (training.gates[training.gates["partner"] == "company"]["difference"] > 0).all()
    assert default_update(training, "ann") == 0
    lone = shared(begin, {"held_out": ["tit_for_tat"]})
    train(lone)
    assert verdicts(lone)[:2] == [GateVerdict.PROMOTED] * 2
    assert default_update(load_training(lone), "ann") > 0


def test_random_partner_stays_random_beside_a_company_that_learns(begin: Begin) -> None:
    training = {"updates": 6, "adapter": {"learning_rate": 2.0}, "gate": STRICT}
    folder = begin(mode="cooperative", steps=1, training=training)
    train(folder)
    (graph,) = graphs_of(read_plan(folder))
    (cell,) = (each for each in graph.cells if each.prompt.learner == "ann")

    def cooperates(version: str) -> float:
        trainer = TabularTrainer()
        trainer.load_weights("ann", folder / "versions" / version)
        (chances,) = trainer.probabilities([cell.prompt])
        return dict(zip(cell.actions, chances, strict=True))["cooperate"]

    gates = load_training(folder).gates.query("partner == 'random' and learner == 'ann'")
    assert len(gates) == 3
    for row in gates.itertuples():
        # against a coin: (3 + 0) / 2 for cooperation, (5 + 1) / 2 for defection
        expected = 1.5 * (cooperates(row.incumbent) - cooperates(row.candidate))
        assert row.difference == pytest.approx(expected, abs=1e-9)
        assert abs(expected) > 0.1


def test_refused_learner_goes_back_to_its_incumbent(begin: Begin) -> None:
    stay, back = shared(begin, {}), shared(begin, {"on_reject": "back"})
    for folder in (stay, back):
        train(folder)
    lines = Ledger(back).lines
    assert lines[3].learners["ann"].parent == lines[0].learners["ann"].version
    assert lines[3].learners["ann"].digest == lines[1].learners["ann"].digest  # exact: the same step again
    lines = Ledger(stay).lines
    assert lines[3].learners["ann"].parent == lines[2].learners["ann"].version


def test_gate_follows_the_last_update_of_the_scenario_only(begin: Begin) -> None:
    whole, parts = (shared(begin, {"every": 4, "on_reject": "back"}) for _ in range(2))
    train(whole)
    for updates in (1, 5, 6):
        train(parts, updates=updates)
    lines = [Ledger(folder).lines for folder in (whole, parts)]
    assert [line.update for line in lines[1] if line.gates] == [4, 6]
    assert [line.learners for line in lines[0]] == [line.learners for line in lines[1]]


def test_incumbent_that_was_changed_is_not_compared_with(begin: Begin) -> None:
    folder = shared(begin, {})
    first = train(folder, updates=3).incumbent("ann")
    weights = folder / "versions" / first / "table.json"
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(SocietyError, match="holds other weights than the ledger's"):
        train(folder)


class KilledError(BaseException):
    """Stands for a kill: nothing may catch it."""


def test_kills_anywhere_around_a_gate_end_in_the_same_versions(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    whole, killed = (shared(begin, {"on_reject": "back"}) for _ in range(2))
    train(whole)
    rng, left, kills = random.Random(1), 0, 0
    replace, fsync, gate = os.replace, os.fsync, training_run.pass_gate

    def maybe_killed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:
            nonlocal left, kills
            left -= 1
            if left == 0:
                kills += 1
                raise KilledError
            return function(*arguments)

        return call

    monkeypatch.setattr(os, "replace", maybe_killed(replace))
    monkeypatch.setattr(os, "fsync", maybe_killed(fsync))
    monkeypatch.setattr(training_run, "pass_gate", maybe_killed(gate))
    while True:
        left = rng.randint(1, 12)
        try:
            train(killed)
            break
        except KilledError:
            continue
    assert kills >= 6
    found = [[(line.learners, line.gates) for line in Ledger(folder).lines] for folder in (whole, killed)]
    assert found[0] == found[1]


def sampled(begin: Begin, gate: dict[str, Any] | None) -> Path:
    """A table that learns from play to defect against a partner that always cooperates."""
    rows = (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", policy="always_cooperate"))
    training = {"learners": {"ann": {}}, "method": "reinforce", "updates": 2, "episodes": 8, "gate": gate}
    training["adapter"] = {"learning_rate": 6.0}
    return begin(rows=rows, steps=1, training=training)


PLAYED = {"every": 1, "held_out": ["always_defect"], "delta": 0.5, "episodes": 24}


def test_played_gate_promotes_a_gain_and_leaves_the_training_alone(begin: Begin) -> None:
    folder, free, told = sampled(begin, PLAYED), sampled(begin, None), []
    train(folder, on_power=told.extend)
    lines = Ledger(folder).lines
    found = lines[1].gates["ann"]
    assert found.verdict is GateVerdict.PROMOTED
    assert [each.n for each in found.evidence] == [24, 24]
    assert lines[2].gates["ann"].incumbent == lines[1].learners["ann"].version
    train(free)  # arms load the incumbent into the trainer; the candidate is what goes on
    assert [line.learners["ann"].digest for line in Ledger(free).lines] == [
        line.learners["ann"].digest for line in lines
    ]
    assert [each.partner for each in told] == ["company", "always_defect"]
    assert read_power(folder) == tuple(told)
    again: list[object] = []
    train(folder, on_power=again.extend)
    assert not again
    check_arms(folder)


def check_arms(folder: Path) -> None:
    """The arms of a gate have one seed, which no rollout has, and their partner."""
    arms = {
        path.parents[1]: orjson.loads(path.read_bytes()) for path in folder.glob("gates/0001/*/*/*/*/manifest.json")
    }
    played = {path.relative_to(folder / "gates" / "0001" / "ann").as_posix(): each for path, each in arms.items()}
    assert len(played) == 4
    assert len({each["seed"] for each in played.values()}) == 1
    rollouts = [orjson.loads(path.read_bytes())["seed"] for path in folder.glob("rollouts/*/*/manifest.json")]
    assert played["company/candidate"]["seed"] not in rollouts
    held = played["always_defect/incumbent"]["roster"]["models"]
    assert [row["policy"] for row in held] == ["tabular", "always_defect"]


def test_learner_that_does_not_change_is_never_promoted(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_step(self: TabularTrainer, learner: str) -> float:
        table = self.table(learner)
        table.waiting, table.steps = {}, table.steps + 1
        return 0.0

    monkeypatch.setattr(TabularTrainer, "optim_step", no_step)
    folder = sampled(begin, {**PLAYED, "every": 2, "episodes": 7})
    train(folder)
    assert verdicts(folder) == [GateVerdict.NO_CHANGE]
    assert len(Ledger(folder).versions) == 3  # the files differ: each counts its steps


def test_arms_of_a_mixed_training_play_the_same_modes(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    gate = {**STRICT, "held_out": ["grim"]}
    plan = training_plan(mode={"mixed": {"policy": "exp3"}}, training={"gate": gate, "method": "reinforce"})
    context = UpdateContext(plan, config_of(plan), tmp_path, 1, TabularTrainer(), {}, experience={"dilemma": {}})
    for partner in ("company", "grim"):
        own = arms._context_of(context, arms.GateArm(Version("ann", "ann-1", "", tmp_path), partner, "here"))
        assert own.plan.scenario.mixing.policy is MixingPolicy.FIXED_CYCLE
        assert not own.experience


def test_arm_of_another_version_is_played_again(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    first, other = (
        Plan(
            training_plan(steps=1).scenario.model_copy(update={"training": None}),
            Roster(name="inline", models=tuple(ModelConfig(model_id=name, policy=policy) for name in ("ann", "bo"))),
        )
        for policy in ("grim", "always_defect")
    )
    run = play_in(tmp_path, first)
    arms._delete_others(tmp_path, first)
    assert run.path.is_dir()
    arms._delete_others(tmp_path, other)
    assert not run.path.exists()


# -- exploitability -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cooperate", "expected"),
    [(1 - 1e-9, 2.0), (1e-9, 0.0), (0.5, 0.75)],  # 5 - 3; 1 - 1; (5 + 1) / 2 - 2.25
)
@pytest.mark.parametrize("scripted", [False, True])
def test_exploitability_is_a_best_response_above_the_norm(
    training_plan: Callable[..., Plan], cooperate: float, expected: float, scripted: bool
) -> None:
    partner = "always_defect" if cooperate < 0.5 else "always_cooperate"
    rows = (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", policy="tabular"))
    plan = training_plan(steps=1)
    if scripted:
        rows = (rows[0], ModelConfig(model_id="bo", policy=partner))
        plan = training_plan(rows=rows, steps=1, training={"learners": {"ann": {}}})
    trainer = TabularTrainer()
    for graph in graphs_of(plan):
        for cell in graph.cells:
            trainer.start_at(
                cell.prompt, [cooperate if each == "cooperate" else 1 - cooperate for each in cell.actions]
            )
    norm = {True: {2.0: 3.0, 0.0: 1.0, 0.75: 4.0}, False: {2.0: 3.0, 0.0: 1.0, 0.75: 2.25}}[scripted][expected]
    best = 1 + 4 * cooperate
    assert exploitability_of(plan, trainer, "ann") == pytest.approx(max(0.0, best - norm), abs=1e-6)


def test_limit_that_cannot_be_computed_is_refused(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    gate = {**STRICT, "max_exploitability": 1.0}
    plan = training_plan(training={"gate": gate, "method": "reinforce"}, mode={"mixed": {}})
    with pytest.raises(UsageError, match="max_exploitability: no best response"):
        begin_training(plan, tmp_path)


# -- the section ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"gate": {**STRICT, "held_out": ["tit_for_tit"]}}, "no policy is called 'tit_for_tit'.*tit_for_tat"),
        ({"gate": {**STRICT, "held_out": ["tabular"]}}, "no policy is called 'tabular'"),
        ({"gate": {**STRICT, "held_out": ["grim", "grim"]}}, "grim is there twice"),
        ({"gate": {**STRICT, "held_out": []}}, "held_out"),
        ({"gate": {"held_out": ["grim"]}}, "delta"),
        ({"gate": {**STRICT, "delta": 0}}, "delta"),
        (
            {"learners": {"ann": {}}, "partners": {"bo": ["grim"]}, "gate": {**STRICT, "held_out": ["grim"]}},
            "grim is met in the training: training.partners.bo",
        ),
        (
            {
                "method": "imitation",
                "learners": {"ann": {"teacher": "grim"}, "bo": {"teacher": "grim"}},
                "gate": {**STRICT, "held_out": ["grim"]},
            },
            "grim is met in the training: training.learners",
        ),
        ({"updates": 50, "gate": {**STRICT, "every": 1, "episodes": 8}}, "8 are too few: decision 100"),
    ],
)
def test_gate_section_is_checked(training_plan: Callable[..., Plan], training: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidFileError, ValueError), match=message):
        training_plan(training=training)


def test_limit_of_exploitability_needs_silence(training_plan: Callable[..., Plan]) -> None:
    gate = {**STRICT, "max_exploitability": 1.0}
    with pytest.raises(InvalidFileError, match="in silent games only"):
        training_plan(
            communication={"talk_rounds": 1, "words": ["ba", "du"]}, training={"gate": gate, "method": "reinforce"}
        )


def test_policy_of_a_row_is_not_held_out(training_plan: Callable[..., Plan]) -> None:
    rows = (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", policy="random"))
    with pytest.raises(InvalidFileError, match="random is met in the training: it plays bo"):
        training_plan(rows=rows, training={"learners": {"ann": {}}, "gate": STRICT})
    replaced = {"learners": {"ann": {}}, "partners": {"bo": ["grim"]}, "gate": STRICT}
    training_plan(rows=rows, training=replaced)  # `partners` replaces the row's policy


def test_ledger_of_a_training_without_a_gate_is_read(begin: Begin) -> None:
    folder = begin()
    train(folder)
    path = folder / "ledger.jsonl"
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(orjson.dumps({k: v for k, v in line.items() if k != "gates"}) + b"\n" for line in lines))
    training = load_training(folder)
    assert training.gates.empty
    with pytest.raises(SocietyError, match="has no version"):
        training.ledger.made("ann", "ann-of-nowhere")
    assert np.isfinite(training.updates["gradient"].iloc[-1])


@pytest.mark.parametrize(
    ("method", "mode", "verdict"),
    [("advantage_alignment", "competitive", "promoted"), ("exact", "cooperative", "refused")],
    ids=["shaped", "sharing"],
)
def test_a_gate_with_a_defector_passes_who_reciprocates_only(
    method: str, mode: str, verdict: str, tmp_path: Path
) -> None:
    gate = {"every": 20, "held_out": ["always_defect", "tit_for_tat"], "delta": 0.1}
    setting = {"mode": mode, "training.method": method, "training.gate": gate}
    gates = train_scenario("dilemma_shaped_tables", set=setting, updates=20, out=tmp_path).gates
    assert set(gates["verdict"]) == {verdict}
    assert set(gates["why"]) == {"exact"}
    by_partner = gates.groupby("partner")["difference"].min()
    assert by_partner["company"] > 0.2
    assert (by_partner["always_defect"] > 0.3) == (verdict == "promoted")

"""A training from its beginning to its end: killed anywhere it goes on to the same versions."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.learning.samples import LossWeights
from agents.problems import InvalidFileError, SocietyError, UsageError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.folders import at_work
from simulation.training.ledger import LEDGER, Ledger
from simulation.training.lesson import UpdateContext
from simulation.training.methods.exact import exact
from simulation.training.methods.filtered_imitation import filtered_imitation
from simulation.training.methods.imitation import imitation
from simulation.training.run import VERSIONS, begin_training, config_of, train
from simulation.training.tables import load_training
from simulation.training.tabular import TabularTrainer

Begin = Callable[..., Path]


def digests(folder: Path) -> dict[str, str]:
    return {name: made.digest for name, made in Ledger(folder).lines[-1].learners.items()}


def test_exact_training_of_independent_tables_defects(begin: Begin) -> None:
    folder = begin(training={"updates": 60, "adapter": {"learning_rate": 10.0}})
    train(folder)
    training = load_training(folder)
    assert training.updates["value"].iloc[2] == pytest.approx(2.25)  # undecided: the mean of 5, 3, 1, 0
    assert training.updates["value"].iloc[-1] < 1.1
    last = training.cells[(training.cells["update"] == 60) & (training.cells["choice"] == "defect")]
    opening = last[last["situation"].str.startswith("step 1")]
    assert (opening["probability"] > 0.95).all()
    assert len(last) == 10


@pytest.mark.parametrize("mode", ["cooperative", "competitive"])
def test_reinforce_moves_play_as_the_objective_says(begin: Begin, mode: str) -> None:
    folder = begin(mode=mode, steps=1, training={"method": "reinforce", "updates": 12, "episodes": 24})
    train(folder)
    values = load_training(folder).updates.dropna(subset=["value"])
    first, last = values.head(4)["value"].mean(), values.tail(4)["value"].mean()
    assert last > first + 0.3 if mode == "cooperative" else last < first - 0.3


def test_imitation_learns_its_teachers(begin: Begin) -> None:
    learners = {"ann": {"teacher": "tit_for_tat"}, "bo": {"teacher": "always_defect"}}
    folder = begin(training={"method": "imitation", "learners": learners, "updates": 12, "episodes": 12})
    train(folder)
    losses = load_training(folder).updates.set_index(["learner", "update"])["loss"]
    for learner in ("ann", "bo"):
        assert losses[learner, 12] < 0.4 < losses[learner, 1]


def test_imitation_weighs_a_message_as_much_as_a_decision(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    learners = {"ann": {"teacher": "tit_for_tat"}, "bo": {"teacher": "always_defect"}}
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in learners)
    settings = {"communication": {"talk_rounds": 1}, "inference": {"tiers": ["simulated"]}}
    plan = training_plan(rows=rows, training={"method": "imitation", "learners": learners}, **settings)
    lesson = imitation(UpdateContext(plan, config_of(plan), tmp_path, 1, TabularTrainer(), {}))
    decisions = [each for each in lesson.samples if each.prompt.choices]
    messages = [each for each in lesson.samples if not each.prompt.choices]
    assert {each.weight for each in decisions} == {1.0}
    assert len(messages) == len(decisions)
    for each in messages:
        assert each.weight * len(each.picked) / 4 == pytest.approx(1)  # English: a byte a character, four a token


def test_filtered_imitation_needs_runs_that_are_there(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="cooperator") for name in ("ann", "bo"))
    training = {"method": "filtered_imitation", "runs": [str(tmp_path / "none")]}
    plan = training_plan(rows=rows, training=training)
    context = UpdateContext(plan, config_of(plan), tmp_path, 1, TabularTrainer(), {})
    with pytest.raises(SocietyError, match="none"):
        filtered_imitation(context)


@pytest.mark.parametrize("method", ["exact", "reinforce"])
def test_training_that_is_cut_off_ends_in_the_same_versions(begin: Begin, method: str) -> None:
    whole = begin(training={"method": method, "updates": 4})
    train(whole)
    parts = begin(training={"method": method, "updates": 4})
    for updates in (1, 3, 4):
        train(parts, updates=updates)
    assert digests(parts) == digests(whole)
    assert len(Ledger(parts).lines) == 5


def test_learner_of_two_partners_beats_every_unconditional_policy(begin: Begin) -> None:
    """Tit-for-tat and always_defect, three steps: it cooperates first, and then does as its partner did."""
    rows = (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", policy="tit_for_tat"))
    training = {
        "learners": {"ann": {}},
        "partners": {"bo": ["tit_for_tat", "always_defect"]},
        "updates": 400,
        "adapter": {"learning_rate": 10.0},
    }
    folder = begin(rows=rows, steps=3, training=training)
    train(folder)
    found = load_training(folder)
    best_unconditional = max((3 + 3 + 5 + 0 + 0 + 1) / 2, (3 + 5 + 1 + 0 + 1 + 1) / 2, (5 + 1 + 1 + 3) / 2) / 3
    best = (3 + 3 + 5 + 0 + 1 + 1) / 2 / 3
    assert found.updates["value"].iloc[-1] == pytest.approx(best, abs=0.05)
    assert found.updates["value"].iloc[-1] > best_unconditional + 0.1


@pytest.mark.parametrize(
    "keys",
    [
        {"tasks": [{"task_id": f"t{n}", "task_type": "prisoners_dilemma", "max_steps": n} for n in (3, 1)]},
        {
            "rows": (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", policy="grim")),
            "training": {"learners": {"ann": {}}, "partners": {"bo": ["tit_for_tat", "always_defect"]}},
            "steps": 3,
        },
    ],
)
def test_exact_gradient_over_several_games_is_that_of_the_value(
    training_plan: Callable[..., Plan], tmp_path: Path, keys: dict[str, Any]
) -> None:
    """The gradient that waits in the table against finite differences of the reported value."""
    plan = training_plan(**keys)
    config, trainer = config_of(plan), TabularTrainer(spread=0.7, seed=3)
    context = UpdateContext(plan, config, tmp_path, 1, trainer, {})
    lesson = exact(context)
    trainer.forward_backward(lesson.samples, LossWeights())
    table = trainer.table("ann")
    for key in list(table.waiting)[::3]:
        found = []
        for shift in (1e-5, -1e-5):
            table.logits[key][0] += shift
            found.append(exact(context).values["ann"])
            table.logits[key][0] -= shift
        assert -(found[0] - found[1]) / 2e-5 == pytest.approx(table.waiting[key][0], abs=1e-6)


def test_missing_or_older_ledger_deletes_nothing(begin: Begin) -> None:
    folder = begin()
    train(folder)
    kept = sorted(path.name for path in (folder / VERSIONS).iterdir())
    (folder / VERSIONS / "my-notes").mkdir()
    lines = (folder / LEDGER).read_bytes().splitlines(keepends=True)
    for content in (b"", b"".join(lines[:2])):
        (folder / LEDGER).write_bytes(content)
        with pytest.raises(SocietyError, match="it is missing, or older"):
            train(folder)
        assert sorted(path.name for path in (folder / VERSIONS).iterdir()) == sorted([*kept, "my-notes"])
    (folder / LEDGER).write_bytes(b"".join(lines))
    train(folder)


def test_version_that_was_changed_is_not_gone_on_with(begin: Begin) -> None:
    folder = begin()
    ledger = train(folder, updates=1)
    weights = folder / VERSIONS / ledger.lines[-1].learners["ann"].version / "table.json"
    weights.write_bytes(weights.read_bytes().replace(b"0.", b"1.", 1))
    with pytest.raises(SocietyError, match="holds other weights than the ledger's"):
        train(folder)


def test_reading_a_training_leaves_its_ledger_alone(begin: Begin) -> None:
    folder = begin()
    train(folder, updates=2)
    torn = (folder / LEDGER).read_bytes()[:-20]
    (folder / LEDGER).write_bytes(torn)
    assert load_training(folder).updates["update"].max() == 1
    assert (folder / LEDGER).read_bytes() == torn


def test_training_without_an_update_has_empty_tables(begin: Begin) -> None:
    training = load_training(begin())
    assert training.updates.empty
    assert training.versions.empty
    assert training.cells.empty
    with pytest.raises(SocietyError, match="situations are not known"):
        training.plot_cells("ann")


def test_hidden_horizon_that_ends_early_is_refused_by_exact(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    horizon = {"continue": 0.95, "at_most": 2, "announced": False}
    task = {"task_id": "t", "task_type": "prisoners_dilemma", "horizon": horizon}
    with pytest.raises(UsageError, match=r"reach horizon\.at_most"):
        begin_training(training_plan(tasks=[task]), tmp_path)


class KilledError(BaseException):
    """Stands for a kill: nothing may catch it."""


def test_kills_anywhere_in_an_update_end_in_the_same_versions(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill at any file operation of a training: the next process goes on to the same digests."""
    import os

    whole = begin(training={"updates": 20})
    train(whole)
    killed, rng, kills = begin(training={"updates": 20}), random.Random(4), 0
    replace, fsync = os.replace, os.fsync
    left = 0

    def maybe_killed(function: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            nonlocal left, kills
            left -= 1
            if left == 0:
                kills += 1
                raise KilledError
            function(*arguments)

        return call

    monkeypatch.setattr(os, "replace", maybe_killed(replace))
    monkeypatch.setattr(os, "fsync", maybe_killed(fsync))
    while True:
        left = rng.randint(1, 12) if kills < 50 else -1
        try:
            train(killed)
            break
        except KilledError:
            continue
    assert kills == 50
    assert digests(killed) == digests(whole)
    assert {path.name for path in (killed / VERSIONS).iterdir()} == set(Ledger(killed).versions)


def test_torn_last_line_of_the_ledger_is_made_again(begin: Begin) -> None:
    folder = begin(training={"updates": 3})
    train(folder)
    before, path = digests(folder), folder / LEDGER
    path.write_bytes(path.read_bytes()[:-20])
    train(folder)
    assert digests(folder) == before
    assert len(Ledger(folder).lines) == 4


def test_broken_ledger_names_its_line(begin: Begin) -> None:
    folder = begin()
    train(folder, updates=1)
    (folder / LEDGER).write_bytes(b'{"update": 0, "learners": {}}\n{"update": 7, "learners": {}}\n')
    with pytest.raises(SocietyError, match="line 2 is of update 7"):
        train(folder)


def test_missing_version_of_the_last_line_is_named(begin: Begin) -> None:
    folder = begin()
    ledger = train(folder, updates=1)
    place = folder / VERSIONS / ledger.lines[-1].learners["ann"].version
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    with pytest.raises(SocietyError, match="is missing; the ledger's last line names it"):
        train(folder)


def test_second_process_on_a_training_is_refused(begin: Begin) -> None:
    folder = begin()
    with at_work(folder), pytest.raises(SocietyError, match="another process"):
        train(folder)


def test_simulated_replies_are_not_learned_from(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="cooperator") for name in ("ann", "bo"))
    plan = training_plan(rows=rows, inference={"tiers": ["simulated"]}, training={"method": "reinforce"})
    from simulation.training.lesson import UpdateContext
    from simulation.training.methods.reinforce import reinforce
    from simulation.training.tabular import TabularTrainer

    folder = begin_training(plan, tmp_path)
    assert plan.scenario.training is not None
    context = UpdateContext(plan, plan.scenario.training, folder, 1, TabularTrainer(), {})
    with pytest.raises(SocietyError, match="are simulated, and nothing is learned"):
        reinforce(context)


def test_scenario_without_training_says_what_is_missing(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    plan = training_plan()
    bare = Plan(plan.scenario.model_copy(update={"training": None}), plan.roster)
    with pytest.raises(UsageError, match="no `training` section"):
        begin_training(bare, tmp_path)


def test_exact_training_of_models_that_talk_is_refused(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="cooperator") for name in ("ann", "bo"))
    with pytest.raises(UsageError, match="talk_rounds to 0"):
        begin_training(training_plan(rows=rows, communication={"talk_rounds": 1}), tmp_path)


def test_table_that_should_speak_is_a_mistake_of_the_file(training_plan: Callable[..., Plan]) -> None:
    with pytest.raises(InvalidFileError, match="cannot speak"):
        training_plan(communication={"talk_rounds": 1})


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"learners": {"eve": {}}}, "no model is called"),
        ({"method": "imitation"}, "teacher"),
        ({"partners": {"bo": ["grim"]}}, "is a learner, not a partner"),
        ({"partners": {"bo": []}}, "partners"),
        ({"method": "filtered_imitation", "runs": ["runs"]}, "tables are asked nothing"),
        ({"learners": {"ann": {"objective": "team"}}}, "a team of the learner's own"),
        ({"method": "reinforce", "partners": {"ann": ["grim"]}}, "only the methods exact, lola"),
        ({"method": "lola", "learners": {"ann": {}}}, "shapes how other learners learn"),
        ({"method": "filtered_imitation"}, "name their folders"),
    ],
)
def test_training_section_is_checked_with_its_roster(
    training_plan: Callable[..., Plan], training: dict[str, object], message: str
) -> None:
    with pytest.raises((InvalidFileError, ValueError), match=message):
        training_plan(training=training)


def test_run_of_a_training_has_its_own_seed_and_no_training(begin: Begin) -> None:
    folder = begin(training={"method": "reinforce", "updates": 2, "episodes": 2})
    train(folder)
    manifests = [orjson.loads(path.read_bytes()) for path in sorted(folder.glob("rollouts/*/*/manifest.json"))]
    assert len({manifest["seed"] for manifest in manifests}) == 2
    assert {str(manifest["scenario"]["training"]) for manifest in manifests} == {"None"}

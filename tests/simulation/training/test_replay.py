"""A training is made again from what it recorded, and a fork is the training without an update."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from agents.problems import SocietyError, UsageError
from agents.roster import ModelConfig
from simulation.runs.replay import ReplayError
from simulation.training.fork import fork_training
from simulation.training.ledger import LEDGER, Ledger
from simulation.training.replay import replay_training
from simulation.training.run import VERSIONS, train
from tests.integration.vllm.tiny_model import tiny_model

Begin = Callable[..., Path]
TEACH = {"learners": {"ann": {"teacher": "tit_for_tat"}, "bo": {"teacher": "grim"}}}


def changed(folder: Path, update: int, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    """Change a line of the ledger."""
    lines = [orjson.loads(line) for line in (folder / LEDGER).read_bytes().splitlines()]
    change(lines[update])
    (folder / LEDGER).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "training",
    [{}, {"method": "lola"}, {"method": "reinforce", "episodes": 1}, {"method": "imitation", **TEACH}],
    ids=["exact", "lola", "reinforce", "imitation"],
)
def test_replay_of_tables_makes_the_same_versions(begin: Begin, training: dict[str, object]) -> None:
    folder = begin(training={"updates": 2, **training})
    train(folder)
    before = files(folder)
    seen: list[int] = []
    done = replay_training(folder, on_update=lambda line: seen.append(line.update))
    assert (done.updates, done.versions, done.skipped) == (2, len(Ledger(folder).versions), ())
    assert seen == [0, 1, 2]
    assert files(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line["learners"]["bo"].update(digest="0" * 64), "update 2: bo: digest was 0000"),
        (lambda line: line["learners"]["ann"].update(value=9.0), r"update 2: ann: value was 9\.0"),
        (lambda line: line["cells"]["ann"][0].reverse(), "update 2: cells was"),
        (lambda line: line["means"].update(x=1.0), "update 2: means was"),
    ],
)
def test_replay_names_the_first_difference(begin: Begin, change: Callable[[dict], None], message: str) -> None:  # type: ignore[type-arg]
    folder = begin(training={"updates": 3})
    train(folder)
    changed(folder, 2, change)
    with pytest.raises(ReplayError, match=message):
        replay_training(folder)


def test_replay_needs_the_recorded_replies(begin: Begin) -> None:
    """What a table is asked by a partner that is a model is not stored."""
    with pytest.raises(SocietyError, match="no update is made yet"):
        replay_training(begin())
    rows = (ModelConfig(model_id="ann", policy="tabular"), ModelConfig(model_id="bo", model_name="base"))
    training = {"method": "reinforce", "learners": {"ann": {}}, "updates": 1}
    folder = begin(rows=rows, training=training, inference={"tiers": ["simulated"]})
    train(folder)
    with pytest.raises(SocietyError, match="bo is a model"):
        replay_training(folder)


@pytest.mark.parametrize("method", ["exact", "reinforce"])
def test_fork_is_the_training_without_an_update(begin: Begin, method: str, tmp_path: Path) -> None:
    folder = begin(training={"method": method, "updates": 4})
    train(folder)
    before = files(folder)
    fork = fork_training(folder, 3, tmp_path)
    train(fork)
    whole, made = Ledger(folder).lines, Ledger(fork).lines
    assert made[:3] == whole[:3]
    assert {name: each.version for name, each in made[3].learners.items()} == {
        name: each.version for name, each in whole[2].learners.items()
    }
    assert len(made) == 5
    if method == "exact":  # nothing is drawn: the next update learns what was left out
        assert [each.digest for each in made[4].learners.values()] == [
            each.digest for each in whole[3].learners.values()
        ]
    assert replay_training(fork).skipped == (3,)
    assert files(folder) == before
    assert orjson.loads((fork / "training.json").read_bytes())["fork"]["without"] == 3


def test_replay_follows_what_a_gate_decided(begin: Begin, tmp_path: Path) -> None:
    """Sharing tables are refused beside always_defect, and go back; so they do in the replay, and in a fork."""
    gate = {"every": 1, "held_out": ["always_defect"], "delta": 0.1, "on_reject": "back"}
    folder = begin(mode="cooperative", training={"updates": 3, "gate": gate, "adapter": {"learning_rate": 10.0}})
    train(folder)
    lines = Ledger(folder).lines
    first = lines[0].learners["ann"].version
    assert [line.gates["ann"].goes_on for line in lines[1:]] == [first] * 3
    assert replay_training(folder).updates == 3
    fork = fork_training(folder, 2, tmp_path)
    assert Ledger(fork).lines[2].learners["ann"].version == first
    train(fork)
    assert replay_training(fork).skipped == (2,)


def test_a_league_is_neither_replayed_nor_forked(begin: Begin, tmp_path: Path) -> None:
    league = {"solver": "nash", "most": 2, "oracle_updates": 1, "epsilon": 0.0}
    folder = begin(steps=1, training={"league": league})
    train(folder)
    with pytest.raises(UsageError, match="small is a league"):
        replay_training(folder)
    with pytest.raises(UsageError, match="small is a league"):
        fork_training(folder, 1, tmp_path)


def test_fork_stands_alone(begin: Begin, tmp_path: Path) -> None:
    """It goes on where the old training is gone, also after a fork of itself."""
    folder = begin(training={"updates": 3})
    train(folder)
    fork = fork_training(fork_training(folder, 2, tmp_path), 1, tmp_path)
    shutil.rmtree(folder)
    train(fork)
    assert replay_training(fork).skipped == (1,)


def test_fork_of_an_update_that_is_not_there_is_refused(begin: Begin, tmp_path: Path) -> None:
    folder = begin(training={"updates": 2})
    train(folder)
    with pytest.raises(UsageError, match="--fork 3: the training's updates are 1 to 2"):
        fork_training(folder, 3, tmp_path)
    shutil.rmtree(folder / VERSIONS)
    with pytest.raises(SocietyError, match="holds other weights"):
        fork_training(folder, 2, tmp_path)


@pytest.mark.slow
def test_replay_of_adapters_needs_no_model_server(begin: Begin) -> None:
    """Adapters that learned by reinforce: their replies are read from the recorded runs."""
    base = str(tiny_model().base)
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in ("ann", "bo"))
    training = {"base_model": base, "method": "reinforce", "updates": 1, "adapter": {"learning_rate": 5e-3, "rank": 4}}
    folder = begin(rows=rows, steps=1, training=training, inference={"tiers": ["embedded"]})
    train(folder)
    assert replay_training(folder).updates == 1
    for run in folder.glob("rollouts/0001/*"):
        shutil.rmtree(run)
    with pytest.raises(SocietyError, match=r"update 1: .* no finished run"):
        replay_training(folder)

"""Mixtures of given adapters are tried, and the present one moves to what is paid more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.problems import InvalidFileError, SocietyError
from agents.roster import ModelConfig
from simulation.plan import Settings, make_plan
from simulation.runs.replay import ReplayError
from simulation.tables.run import load_run
from simulation.training.ledger import LEDGER, Ledger
from simulation.training.replay import replay_training
from simulation.training.run import train
from simulation.training.shipped import shipped_trainings
from simulation.training.tables import load_training
from tests.integration.vllm.tiny_model import make_adapter, tiny_model

Begin = Callable[..., Path]
UPDATES = 2
COMPANY = ("tit_for_tat", "always_defect")


@pytest.fixture
def begin_search(begin: Begin, tmp_path: Path) -> Begin:
    """Make the folder of a search over two adapters of the tiny model, with two partners."""
    folders = [str(make_adapter(tiny_model(), tmp_path / f"given{seed}", seed)) for seed in (1, 2)]

    def make() -> Path:
        training = {
            "method": "evolution",
            "learners": {"ann": {}},
            "base_model": str(tiny_model().base),
            "updates": UPDATES,
            "episodes": 2,
            "adapter": {},
            "evolution": {"adapters": folders, "candidates": 4, "spread": 3.0, "company": list(COMPANY)},
        }
        rows = (ModelConfig(model_id="ann", model_name="base"), ModelConfig(model_id="bo", policy="grim"))
        inference = {"tiers": ["embedded"], "embedded_model": str(tiny_model().base)}
        return begin(rows=rows, training=training, inference=inference)

    return make


@pytest.mark.slow
def test_search_moves_resumes_and_replays(begin_search: Begin) -> None:
    folder, cut = begin_search(), begin_search()
    train(folder)
    training = load_training(folder)
    weights = training.mixtures.pivot(index="update", columns="adapter", values="weight")
    assert weights.loc[0].tolist() == [0.5, 0.5]
    assert weights.loc[UPDATES].tolist() != [0.5, 0.5]
    assert not (folder / "candidates" / "0001").exists()
    replayed = replay_training(folder)
    assert (replayed.updates, replayed.versions) == (UPDATES, len(training.ledger.versions))
    train(cut, updates=1)
    (cut / LEDGER).write_text((cut / LEDGER).read_text().splitlines(keepends=True)[0])  # killed before its line
    train(cut)
    assert [line.learners for line in Ledger(cut).lines] == [line.learners for line in training.ledger.lines]
    _check_that_mixtures_play_the_same_episodes(folder)
    _check_that_another_payoff_is_noticed(folder)


def _check_that_mixtures_play_the_same_episodes(folder: Path) -> None:
    """Check that what differs between the runs of one partner is the mixture: seeds and partners are equal."""
    runs = [load_run(next((folder / "rollouts" / "0001" / str(number)).glob("*/"))) for number in range(1, 11)]
    assert {run.manifest["seed"] for run in runs} == {runs[0].manifest["seed"]}
    partners = [run.agents.set_index("model_id")["policy"]["bo"] for run in runs]
    assert partners == [COMPANY[0]] * 5 + [COMPANY[1]] * 5
    names = [run.agents.set_index("model_id")["model_name"]["ann"] for run in runs]
    assert names[:5] == names[5:]
    assert len(set(names)) == 5


def _check_that_another_payoff_is_noticed(folder: Path) -> None:
    lines = (folder / LEDGER).read_text().splitlines()
    line = json.loads(lines[1])
    line["learners"]["ann"]["value"] += 1
    (folder / LEDGER).write_text("\n".join([lines[0], json.dumps(line), *lines[2:]]) + "\n")
    with pytest.raises(ReplayError, match="ann: value"):
        replay_training(folder)


@pytest.mark.slow
def test_other_given_weights_are_refused_on_the_way(begin_search: Begin, tmp_path: Path) -> None:
    folder = begin_search()
    train(folder, updates=1)
    shutil.rmtree(tmp_path / "given2")
    make_adapter(tiny_model(), tmp_path / "given2", seed=9)
    with pytest.raises(SocietyError, match=r"mixture of other weights than those of .*given2"):
        train(folder)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"evolution": None}, "training.evolution: is missing"),
        ({"method": "reinforce"}, "only the method evolution mixes adapters"),
        ({"evolution.candidates": 5}, "candidates"),
        ({"evolution.adapters": []}, "adapters"),
        ({"evolution.adapters": ["cooperator", "cooperator"]}, "is there twice"),
        ({"evolution.company": ["tit_for_tatt"]}, "no policy is called 'tit_for_tatt'"),
        ({"adapter.rank": 4}, "a mixture has the rank of its adapters"),
        ({"parts": 2}, "only the method reinforce"),
        ({"gate": {"held_out": ["grim"], "episodes": 30}}, "grim is met in the training: training.evolution.company"),
        ({"gate": {"held_out": ["random"], "max_exploitability": 1.0}}, "needs the probabilities of choices"),
    ],
)
def test_search_that_cannot_be_is_refused(setting: dict[str, Any], why: str) -> None:
    settings = Settings(set={f"training.{key}": value for key, value in setting.items()})
    with pytest.raises(InvalidFileError, match=why):
        make_plan(shipped_trainings()["dilemma_mixture"], settings)


def test_unknown_adapter_is_named_before_anything_is_played(begin: Begin) -> None:
    rows = (ModelConfig(model_id="ann", model_name="base"), ModelConfig(model_id="bo", policy="grim"))
    search = {"method": "evolution", "learners": {"ann": {}}, "adapter": {}, "evolution": {"adapters": ["nobody"]}}
    folder = begin(rows=rows, training=search)
    with pytest.raises(SocietyError, match="nobody"):
        train(folder)

"""Messages that may only be certain words: who says them, how they are read, and what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.inference.provenance import Provenance, Purpose, Reply, Request, Tier
from agents.lora_model import Responder
from agents.roster import ModelConfig, Roster
from simulation import run_scenario
from simulation.tables.run import Run
from simulation.topology.communication import Communication

SENDER, CHOOSER = ModelConfig(model_id="ann", policy="always_cooperate"), ModelConfig(model_id="bo", policy="random")


def played(folder: Path, words: list[str], responders: dict[str, Responder] | None = None, **changes: object) -> Run:
    scenario = {
        "name": "words",
        "mode": "cooperative",
        "roster": "two",
        "seed": 3,
        "episodes": 12,
        "tasks": [{"task_id": "treasure", "task_type": "signalling", "max_steps": 1}],
        "communication": {"words": words},
        "inference": {"tiers": ["simulated"]},
        **changes,
    }
    roster = Roster(name="two", base_model="base", models=(SENDER, CHOOSER))
    return run_scenario(scenario, roster=roster, out=folder, responders=responders)


def saying(text: str, asked: list[Request]) -> dict[str, Responder]:
    async def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(text, Provenance(Tier.HUMAN, "player"))

    return {"ann": answer}


def test_scripted_player_says_the_word_that_is_its_plan(tmp_path: Path) -> None:
    run = played(tmp_path, ["north", "south"])
    places = run.decisions  # the chooser's; the sender has nothing to decide
    assert set(places["model_id"].astype(str)) == {"bo"}
    assert set(run.messages["text"].astype(str)) == {"north", "south"}


def test_scripted_player_without_a_word_for_its_plan_draws_one(tmp_path: Path) -> None:
    assert set(played(tmp_path, ["ba", "du"]).messages["text"].astype(str)) == {"ba", "du"}


@pytest.mark.parametrize(
    ("reply", "heard"), [("Ba.", "ba"), ("du", "du"), ("I say ba", "ba"), ("ba or du", ""), ("", "")]
)
def test_reply_is_heard_as_the_word_that_it_is_or_says_nothing(reply: str, heard: str, tmp_path: Path) -> None:
    asked: list[Request] = []
    run = played(tmp_path, ["ba", "du"], saying(reply, asked), episodes=2)
    assert list(run.messages["text"].astype(str)) == [heard, heard]
    assert {(request.key.purpose, request.choices) for request in asked} == {(Purpose.TALK, ("ba", "du"))}
    assert asked[0].messages[-1].content.endswith("Say one of: ba, du. Answer with it only.")


def test_chinese_players_are_asked_in_chinese(tmp_path: Path) -> None:
    asked: list[Request] = []
    played(tmp_path, ["ba", "du"], saying("ba", asked), episodes=1, language="zh")
    assert asked[0].messages[-1].content.endswith("从以下词中选一个说出来：ba、du。只回答该词。")


@pytest.mark.parametrize("words", [["ba"], ["ba", "Ba"], ["ba", " du"]])
def test_words_must_be_two_different_ones(words: list[str]) -> None:
    with pytest.raises(ValidationError, match="two or more different words"):
        Communication(words=tuple(words))


@pytest.mark.parametrize("words", [["Go!", "Stop!"], ["yes.", "no."], ['"a"', '"b"'], ["是。", "否。"]])
def test_words_with_marks_around_them_are_said_and_heard(words: list[str], tmp_path: Path) -> None:
    assert set(played(tmp_path, words).messages["text"].astype(str)) == set(words)

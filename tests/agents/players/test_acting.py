"""How scripted players act in a network: any legal action, unless their policy has its own way."""

from __future__ import annotations

import json
import random

import pytest

from agents.answers import ReaderVersion
from agents.inference.provenance import Provenance, Reply, Tier, ToolCall
from agents.language import Language
from agents.network import NetworkView, SeenPost, SocialActionName, SocialMove, move_of
from agents.players.acting import ACTING, acting
from agents.players.observation import Observation, Situation
from agents.players.phrases import NETWORK_SENTENCES
from agents.role import ModelRole
from agents.social import network_tools, plan_call, read_act
from agents.tool_plans import planned_call

VIEW = NetworkView(
    0,
    "reddit",
    "2026-01-01 08:00",
    posts=(SeenPost(3, 1, "ben", "apples are ripe"),),
    targets={
        SocialActionName.CREATE_POST: None,
        SocialActionName.LIKE_POST: (3,),
        SocialActionName.UNLIKE_POST: (),
        SocialActionName.SEARCH_POSTS: None,
        SocialActionName.DO_NOTHING: None,
    },
    new=frozenset({3}),
)
TOOLS = network_tools(VIEW)


def situation(view: NetworkView | None = VIEW, language: Language = Language.EN) -> Situation:
    return Situation(ModelRole.NEUTRAL, language, Observation(1, 2, ()), network=view)


def called(policy: str, seed: int, language: Language = Language.EN) -> ToolCall:
    return planned_call(policy, situation(language=language), TOOLS, lambda: "a plan", random.Random(seed))


@pytest.mark.parametrize("language", list(Language))
def test_every_offered_action_is_taken_and_is_legal(language: Language) -> None:
    calls = [called("random", seed, language) for seed in range(60)]
    assert {call.name for call in calls} == {tool["function"]["name"] for tool in TOOLS}
    for call in calls:
        reply = Reply("", Provenance(Tier.SCRIPTED, "p"), tool_calls=(call,))
        move, error = read_act(reply, TOOLS, ReaderVersion.SENTENCES)
        assert move is not None, error
        if call.name == "create_post":
            assert move.arguments["content"] in NETWORK_SENTENCES[language]
        if call.name == "search_posts":
            assert move.arguments["query"] in {"apples", "are", "ripe"}


def test_beside_a_game_any_tool_is_called() -> None:
    call = planned_call("random", situation(None), TOOLS, lambda: "a plan", random.Random(5))
    assert call == plan_call(TOOLS, lambda: "a plan", random.Random(5))


def test_a_policy_with_its_own_way_acts_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.tool_plans.ACTING", copied := dict(ACTING))
    monkeypatch.setattr("agents.players.acting.ACTING", copied)

    @acting("fan")
    def like_what_is_new(view: NetworkView, _say: object, _rng: random.Random) -> SocialMove:
        return move_of(SocialActionName.LIKE_POST, min(view.new))

    call = called("fan", 1)
    assert (call.name, json.loads(call.arguments)) == ("like_post", {"post_id": 3})

"""Who plays together in a tournament."""

from __future__ import annotations

import pytest

from agents.problems import SocietyError
from agents.roster import ModelConfig, Roster
from simulation.studies.tournament.matchups import EVERYONE, Format, coalitions_of, matchups, teams_of


def roster(*teams: str | None) -> Roster:
    rows = tuple(
        ModelConfig(model_id=f"m{number}", model_name="a", persona="calm", team_id=team)
        for number, team in enumerate(teams)
    )
    return Roster(name="r", base_model="b", models=rows)


def test_pair_matchups_include_self_play() -> None:
    found = matchups(roster(None, None, None), Format.PAIRS)
    assert [each.members for each in found] == [
        ("m0", "m0"), ("m0", "m1"), ("m0", "m2"), ("m1", "m1"), ("m1", "m2"), ("m2", "m2"),
    ]  # fmt: skip
    assert found[0].seat_ids == ("m0", "m0_twin")
    assert found[0].seats[1].model_copy(update={"model_id": "m0"}) == found[0].seats[0]
    assert found[1].seat_ids == ("m0", "m1")
    assert [each.number for each in found] == list(range(6))
    assert found[1].label == "0001-m0-m1"


def test_copy_of_a_model_has_a_free_name() -> None:
    rows = tuple(ModelConfig(model_id=name, policy="random") for name in ("a", "a_twin"))
    found = matchups(Roster(name="r", models=rows), Format.PAIRS)
    assert found[0].seat_ids == ("a", "a_twin1")


def test_every_coalition_meets_the_whole_other_team() -> None:
    found = matchups(roster("red", "blue", "red"), Format.TEAMS)
    assert [(each.team, each.members) for each in found] == [
        ("red", ("m0",)), ("red", ("m2",)), ("red", ("m0", "m2")), ("blue", ("m1",)),
    ]  # fmt: skip
    assert [row.model_id for row in found[0].seats] == ["m0", "m1"]


def test_stand_in_plays_for_absent_members() -> None:
    found = matchups(roster("red", "blue", "red"), Format.TEAMS, stand_in="random")
    empty = found[0]
    assert empty.members == ()
    assert [(row.model_id, row.played_by, row.team_id) for row in empty.seats] == [
        ("m0", "policy:random", "red"), ("m1", "a", "blue"), ("m2", "policy:random", "red"),
    ]  # fmt: skip
    assert empty.seats[0].persona == ""


def test_rows_without_a_team_are_one_team_or_always_play() -> None:
    assert teams_of(roster(None, None)) == {EVERYONE: ("m0", "m1")}
    mixed = roster("red", None)
    assert teams_of(mixed) == {"red": ("m0",)}
    assert [len(each.seats) for each in matchups(mixed, Format.TEAMS)] == [2]


def test_coalitions_are_all_up_to_eight_members_else_sampled() -> None:
    eight, ten = [f"p{i}" for i in range(8)], [f"p{i}" for i in range(10)]
    assert len(coalitions_of(eight, 2, 0)) == 2**8
    drawn = coalitions_of(ten, 3, 0)
    assert 11 <= len(drawn) <= 3 * 9 + 2
    assert drawn == coalitions_of(ten, 3, 0)
    assert {(), tuple(ten)} <= set(drawn)


def test_persons_and_single_models_are_refused() -> None:
    with pytest.raises(SocietyError, match="me is a person"):
        matchups(Roster(name="r", models=(ModelConfig(model_id="me", human=True),)), Format.TEAMS)
    with pytest.raises(SocietyError, match="at least 2 models"):
        matchups(roster(None), Format.PAIRS)

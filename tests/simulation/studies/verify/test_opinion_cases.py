"""Known answers of opinions come out, and a planted error makes each kind fail."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agents.players import opinions
from simulation.studies.verify.opinion_cases import opinion_cases
from simulation.studies.verify.verify import KnownCase, KnownFigure, verify

CASES = {case.name.split(",")[0].split(":")[0]: case for case in opinion_cases()}


def failed(case: KnownCase) -> list[KnownFigure]:
    return [found.figure for found in verify([case]) if not found.passed]


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("DeGroot", "bounded"))])
def test_opinions_end_where_the_theory_says(name: str) -> None:
    assert failed(CASES[name]) == []


def test_deaf_to_the_last_speaker_misses_the_weighted_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = opinions.heard_opinions
    monkeypatch.setattr(opinions, "heard_opinions", lambda observation: heard(observation)[:-1])
    assert failed(CASES["DeGroot on a path"]) == [KnownFigure.LAST_LEVEL]


def test_rounding_down_misses_the_stubborn_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinions, "between", lambda seen, level, _rng: int(level * 50) / 50)
    assert failed(CASES["DeGroot with one stubborn player"]) == [KnownFigure.LAST_LEVEL]


@pytest.mark.parametrize(
    "case", [case for case in opinion_cases() if case.name.startswith("bounded")], ids=lambda c: c.name
)
def test_camps_are_those_of_exact_iteration(case: KnownCase) -> None:
    reach = Fraction(int(case.play.policies[0].rsplit("_", 1)[1]), 100)
    levels = [Fraction(each, 1000) for each in case.play.parameters["initial"]]
    for _ in range(case.play.steps):
        near = [[other for other in levels if abs(other - own) <= reach] for own in levels]
        levels = [sum(group, Fraction(0)) / len(group) for group in near]
    camps = 1 + sum(high - low > Fraction(1, 20) for low, high in zip(sorted(levels), sorted(levels)[1:], strict=False))
    expected = {each.figure: each.values for each in case.expected}
    assert expected[KnownFigure.CLUSTERS] == (camps,)
    if KnownFigure.LAST_LEVEL in expected:
        assert expected[KnownFigure.LAST_LEVEL] == pytest.approx([float(each) for each in levels])


@pytest.mark.slow
def test_voters_win_by_their_share_of_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the case passes without the fault, `test_every_known_answer_passes` shows."""
    case = CASES["voter model"]
    heard = opinions.heard_opinions  # a player that hears the largest opinion only copies it: the hub wins too often
    monkeypatch.setattr(opinions, "heard_opinions", lambda observation: sorted(heard(observation))[-1:])
    assert failed(case) == [KnownFigure.MEAN_LEVEL]

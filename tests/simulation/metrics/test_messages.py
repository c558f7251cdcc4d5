"""Who answered whom, and polarization of words, on messages written by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from agents.problems import SocietyError
from simulation.metrics.messages import Message, Words, answer_network, answer_structure, polarization, words_by_speaker


def said(at: int, sender: str, *audience: str, text: str = "", episode: int = 0) -> Message:
    return Message(episode, (at, 0), sender, audience, text)


def edges(messages: list[Message], named_only: bool = False) -> dict[tuple[str, str], int]:
    network = answer_network(messages, named_only=named_only)
    return {(a, b): count for a, b, count in network.edges(data="weight")}


def test_message_to_a_sender_heard_last_round_is_an_answer() -> None:
    assert edges([said(0, "ada", "ben"), said(1, "ben", "ada")]) == {("ben", "ada"): 1}


def test_messages_of_one_round_are_no_answers() -> None:
    assert edges([said(0, "ada", "ben"), said(0, "ben", "ada")]) == {}


def test_message_the_first_sender_cannot_hear_is_no_answer() -> None:
    assert edges([said(0, "ada", "ben"), said(1, "ben", "cleo")]) == {}


def test_answer_must_come_in_the_next_round_of_the_episode() -> None:
    late = [said(0, "ada", "ben"), said(1, "cleo", "ada"), said(2, "ben", "ada")]
    assert edges(late) == {}
    assert edges([said(0, "ada", "ben"), said(1, "ben", "ada", episode=1)]) == {}


def test_named_only_keeps_answers_that_name_the_answered() -> None:
    talk = [said(0, "ada", "ben"), said(0, "m1", "ben"), said(1, "ben", "ada", "m1", text="Ada, I agree; not m10.")]
    assert edges(talk) == {("ben", "ada"): 1, ("ben", "m1"): 1}
    assert edges(talk, named_only=True) == {("ben", "ada"): 1}


def test_broker_between_two_circles_has_betweenness() -> None:
    talk = []
    circles = (("a", "b", "hub"), ("x", "y", "hub"))
    for step in range(3):
        for circle in circles:
            talk += [said(step, one, *(other for other in circle if other != one)) for one in circle if one != "hub"]
        talk.append(said(step, "hub", "a", "b", "x", "y"))
    structure = answer_structure(talk)
    places = {model.model_id: model for model in structure.models}
    assert places["hub"].betweenness == pytest.approx(1 - 4 / 12)  # all paths without the four within the circles
    assert places["a"].betweenness == 0
    assert places["hub"].answered == places["hub"].answered_by == 1.0
    assert structure.reciprocity == 1.0
    assert {frozenset(group) - {"hub"} for group in structure.communities} == {frozenset("ab"), frozenset("xy")}
    assert structure.modularity is not None
    assert structure.modularity > 0


def test_answer_structure_without_answers() -> None:
    structure = answer_structure([said(0, "ada", "ben")])
    assert (structure.links, structure.reciprocity, structure.modularity) == (0, None, None)
    assert structure.communities == (("ada",), ("ben",))


def words(*texts: str) -> list[Words]:
    return [Counter(text.split()) for text in texts]


def test_polarization_of_equal_and_of_different_words() -> None:
    assert polarization(words("give all", "all give"), words("give all", "give all")) == 0.5
    assert polarization(words("give all", "all give"), words("take it", "it take")) == 1.0


def test_polarization_by_hand() -> None:
    # red: a a / a b; blue: b b / b b. Left out in turn: red 1 by (0.5 a): a -> 1; red 2 by (1 a): a -> 1, b -> 0;
    # blue by b -> 1 / (1 + 1/4) = 0.8
    red, blue = words("a a", "a b"), words("b b", "b b")
    assert polarization(red, blue) == pytest.approx(((1 + 0.5) / 2 + 0.8) / 2)
    assert polarization(red, blue) == polarization(blue, red)


def test_words_of_single_speakers_are_not_polarization() -> None:
    assert polarization(words("q w", "e r"), words("t y", "u i")) == 0.5


def test_polarization_refuses_a_group_of_one_speaker() -> None:
    with pytest.raises(SocietyError, match="2 speakers"):
        polarization(words("a", ""), words("b", "b"))


def test_words_by_speaker_in_both_languages() -> None:
    found = words_by_speaker([said(0, "ada", text="I give 10, I give!"), said(1, "ada", text="合作")])
    assert found == {"ada": Counter({"i": 2, "give": 2, "10": 1, "合": 1, "作": 1})}

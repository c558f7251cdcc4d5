"""The `events` of a scenario: what can happen, to whom, and mistakes with file, line and fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.problems import InvalidFileError
from simulation.plan import Plan

SCENARIO = """\
name: eventful
mode: cooperative
roster: mixed_society
episodes: 2
tasks:
  - {{task_id: goods, task_type: public_goods, max_steps: 3}}
  - {{task_id: square, task_type: social_network, max_steps: 3}}
events:
  - {event}
"""


def problems_of(folder: Path, event: str) -> list[str]:
    (folder / "eventful.yaml").write_text(SCENARIO.format(event=event), encoding="utf-8")
    with pytest.raises(InvalidFileError) as caught:
        Plan.load(folder / "eventful.yaml")
    assert {problem.line for problem in caught.value.problems} == {9}
    return [f"{problem.where}: {problem.message} {problem.suggestion}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    "event",
    [
        '{at: "1.2", show: "Hello."}',
        '{at: ["1.1", "*.3"], to: north_lead, show: "Hello."}',
        '{at: "*.2", to: {team: north}, mute: true}',
        '{at: "1.2", to: 0.5, mute: false}',
        '{at: "1.2", set: {multiplier: 2.0}}',
        '{at: "2.1", post: {author: south_lead, text: "Hi."}}',
        '{at: "2.2", vote: {item: 1, likes: 3}}',
        '{at: "1.2", to: [south_guest], adapter: defector}',
    ],
)
def test_event_of_every_kind_is_read(tmp_path: Path, event: str) -> None:
    (tmp_path / "eventful.yaml").write_text(SCENARIO.format(event=event), encoding="utf-8")
    (found,) = Plan.load(tmp_path / "eventful.yaml").scenario.events
    assert found.kind in event


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('{at: "1.2"}', "says nothing that happens write one of show, post"),
        ('{at: "1.2", show: "a", mute: true}', "says show and mute"),
        ('{at: "1.last", show: "a"}', "no one knows which step is the last"),
        ('{at: "1.4", show: "a"}', "there is no step 4"),
        ('{at: "5.1", show: "a"}', "there is no episode 5"),
        ('{at: "1.1", to: north_led, show: "a"}', "did you mean north_lead"),
        ('{at: "1.1", to: {team: nord}, show: "a"}', "did you mean north"),
        ('{at: "1.1", to: 1.5, show: "a"}', "1.5"),
        ('{at: "1.1", to: 0.0, show: "a"}', "0.0"),
        ('{at: "1.1", to: [], show: "a"}', "[] has 0 entries"),
        ('{at: "1.1", set: {}}', "{} has 0 entries"),
        ('{at: "1.1", set: {multiplyer: 2}}', "did you mean multiplier"),
        ('{at: "1.1", set: {multiplier: many}}', "are no parameters of public_goods"),
        ('{at: "1.1", post: {author: south_lead, text: "Hi."}}', "is no social network"),
        ('{at: "2.1", post: {author: nobody, text: "Hi."}}', "no model is called"),
        ('{at: "1.1", adapter: defektor}', "did you mean defector"),
        ('{at: "1.1", shows: "a"}', "did you mean show"),
    ],
)
def test_wrong_event_names_line_and_fix(tmp_path: Path, event: str, said: str) -> None:
    assert any(said in problem for problem in problems_of(tmp_path, event)), problems_of(tmp_path, event)

"""Saving rosters as YAML: comments, order and spelling stay, and what is saved reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.players.policies import POLICIES
from agents.problems import InvalidFileError
from agents.role import ModelRole
from agents.roster import Roster, SamplingConfig
from agents.roster_yaml import roster_to_yaml
from tests.agents.test_roster import ADAPTER_ROW, player, written
from tests.support.adapters import write_adapter

COMMENTED = """\
# who they are

name: club  # a name
# what they share
base_model: Base
models:
  # the first of all
  - model_id: ada   # she leads
    model_name: 'alpha'
    role: leader  # of the others

  # the second
  - model_id: ben
    model_name: beta
    sampling:
      temperature: 0.5  # cool
  # the third, on one line
  - {model_id: cleo, model_name: gamma, role: teammate}  # third
  # the last
  - model_id: dan
    persona: |
      You are slow.
      And steady.

    policy: random
# the end
"""


class TestSaving:
    def load(self, folder: Path) -> Roster:
        return Roster.load(written(folder, COMMENTED))

    def test_saving_an_unchanged_roster_leaves_the_file(self, tmp_path: Path) -> None:
        self.load(tmp_path).save(tmp_path / "roster.yaml")
        assert (tmp_path / "roster.yaml").read_text() == COMMENTED

    def test_saving_rewrites_only_what_changed(self, tmp_path: Path) -> None:
        ada, ben, cleo, dan = self.load(tmp_path).models
        changed = Roster(
            name="club",
            base_model="Other",
            description="It: changed",
            models=(
                ada.model_copy(update={"role": ModelRole.NEUTRAL, "count": 2}),
                ben.model_copy(update={"sampling": SamplingConfig(temperature=0.5, max_tokens=9)}),
                cleo.model_copy(update={"team_id": "red"}),
                dan.model_copy(update={"persona": "Quick."}),
            ),
        )
        changed.save(tmp_path / "roster.yaml")
        expected = (
            COMMENTED.replace("base_model: Base\n", 'base_model: Other\ndescription: "It: changed"\n')
            .replace("role: leader  # of the others\n", "role: neutral  # of the others\n    count: 2\n")
            .replace("0.5  # cool\n", "0.5  # cool\n      max_tokens: 9\n")
            .replace("role: teammate}", "role: teammate, team_id: red}")
            .replace("persona: |\n      You are slow.\n      And steady.\n\n", "persona: Quick.\n")
        )
        assert (tmp_path / "roster.yaml").read_text() == expected
        assert Roster.load(tmp_path / "roster.yaml") == changed

    def test_saving_leaves_comments_with_their_rows(self, tmp_path: Path) -> None:
        roster = self.load(tmp_path)
        ada, _, cleo, dan = roster.models
        roster.model_copy(update={"models": (cleo, dan, ada, player("eve"))}).save(tmp_path / "roster.yaml")
        assert (
            (tmp_path / "roster.yaml").read_text().partition("models:\n")[2]
            == """\
  # the third, on one line
  - {model_id: cleo, model_name: gamma, role: teammate}  # third
  # the last
  - model_id: dan
    persona: |
      You are slow.
      And steady.

    policy: random
  # the first of all
  - model_id: ada   # she leads
    model_name: 'alpha'
    role: leader  # of the others
  - model_id: eve
    policy: random
# the end
"""
        )

    def test_saving_a_new_file_leaves_defaults_out(self, tmp_path: Path) -> None:
        Roster(name="r", models=(player("a", role=ModelRole.LEADER, persona="Yes: 1"),)).save(tmp_path / "n.yaml")
        assert (tmp_path / "n.yaml").read_text() == (
            'name: r\nmodels:\n  - model_id: a\n    role: leader\n    persona: "Yes: 1"\n    policy: random\n'
        )

    def test_saving_to_a_missing_folder_is_a_problem(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidFileError, match="cannot be written: No such file"):
            Roster(name="r", models=(player("a"),)).save(tmp_path / "absent" / "n.yaml")

    def test_saving_leaves_adapter_paths_as_they_were(self, tmp_path: Path) -> None:
        write_adapter(tmp_path)
        text = ADAPTER_ROW.format(adapter="./")
        Roster.load(written(tmp_path, text)).save(tmp_path / "roster.yaml")
        assert (tmp_path / "roster.yaml").read_text() == text

    def test_saving_does_not_change_values_shared_by_aliases(self, tmp_path: Path) -> None:
        text = (
            "name: r\nmodels:\n  - {model_id: a, policy: random, sampling: &s {top_p: 0.5}}\n"
            "  - {model_id: b, policy: random, sampling: *s}\n"
        )
        roster = Roster.load(written(tmp_path, text))
        cooler = roster.models[0].model_copy(update={"sampling": SamplingConfig(top_p=0.1)})
        changed = roster.model_copy(update={"models": (cooler, roster.models[1])})
        changed.save(tmp_path / "roster.yaml")
        assert Roster.load(tmp_path / "roster.yaml") == changed

    @pytest.mark.parametrize("text", ["name: [\n", "name: a\nname: b\n", "- a\n"])
    def test_saving_leaves_an_invalid_file_as_it_is(self, tmp_path: Path, text: str) -> None:
        path = written(tmp_path, text)
        with pytest.raises(InvalidFileError):
            Roster(name="r", models=(player("a"),)).save(path)
        assert path.read_text() == text

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_any_saved_roster_reads_back(self, data: st.DataObject) -> None:
        words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
        rows = st.builds(
            player,
            st.sampled_from(["ada", "ben", "cleo", "dan", "eve", "1", "true"]),
            role=st.sampled_from(ModelRole),
            team_id=st.none() | words,
            specialization=words | st.just(""),
            persona=words | st.just(""),
            count=st.integers(1, 3),
            lora_alpha=st.none() | st.floats(1e-9, 1e9),
            policy=st.sampled_from(sorted(POLICIES)),
            sampling=st.builds(SamplingConfig, temperature=st.none() | st.floats(0, 2)),
        )
        models = data.draw(st.lists(rows, min_size=1, max_size=5, unique_by=lambda row: row.model_id))
        roster = Roster(name=data.draw(words), description=data.draw(words), models=models)
        for existing in ("", COMMENTED, "# bare\n", "{name: x, models: []}", "models: [] # none\nname: x"):
            text = roster_to_yaml(roster, existing)
            assert Roster.model_validate(parse(text)) == roster


def parse(text: str) -> dict[str, Any]:
    from agents.yaml_file import parse_yaml

    file = parse_yaml(text, "saved")
    assert not file.problems
    return file.data

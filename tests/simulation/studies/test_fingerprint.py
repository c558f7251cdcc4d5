"""Fingerprints of players with a known fingerprint, and what a report says about itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from agents.inference.provenance import Tier
from agents.language import Language
from agents.players.policies import POLICIES, Observation, Policy, SpeakingStyle
from agents.problems import SocietyError, UsageError
from agents.role import ModelRole, PopulationPart
from agents.roster import ModelConfig, Roster, SamplingConfig
from simulation.games.base import Setting
from simulation.games.prisoners_dilemma import PrisonersDilemma
from simulation.metrics.comparable import MixedTiersError
from simulation.plan import Settings
from simulation.runs import run_set
from simulation.seats import Seat
from simulation.store.events import DecisionMade, Event
from simulation.studies.fingerprint.cells import CELLS
from simulation.studies.fingerprint.measure import COMMAND, REPORT, read_fingerprints, take_fingerprints
from simulation.studies.fingerprint.picture import markdown, picture
from simulation.studies.fingerprint.probes import SETUPS, Conditions, Probe, probe_plans, subjects
from simulation.studies.fingerprint.report import FingerprintReport, load_report
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

REACTIONS = ("opening", "CC", "CD", "DC", "DD")
TIT_FOR_TAT, ALL_D, ALL_C = "policy:tit_for_tat", "policy:always_defect", "policy:always_cooperate"
COIN, IGNORING = "policy:random_75", "policy:says_anything"


class SaysAnything(Policy):
    """Announces a random option, then decides at random, independently of it."""

    def speak(self, view: Observation, rng: random.Random, _language: Language) -> str:
        return f"I play {random.Random(f'words {rng.random()}').choice(view.options).label}."


def _half(_view: Observation, rng: random.Random) -> float:
    return float(rng.random() < 0.5)


def scripted(*policies: str) -> Roster:
    rows = tuple(ModelConfig(model_id=f"p{i}", policy=policy) for i, policy in enumerate(policies))
    return Roster(name="known", models=rows)


def conditions(episodes: int, tier: Tier | None = None, **fields: object) -> Conditions:
    return Conditions(settings=Settings(tier=tier, seed=5, episodes=episodes), **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FingerprintReport]:
    names = [name.removeprefix("policy:") for name in (TIT_FOR_TAT, ALL_D, ALL_C, COIN, IGNORING)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(POLICIES, names[-1], SaysAnything(names[-1], _half, SpeakingStyle.WANDER))  # type: ignore[arg-type]
        folder = take_fingerprints(scripted(*names), conditions(12), out=tmp_path_factory.mktemp("runs"), at_once=1)
        yield read_fingerprints(folder)


def value(report: FingerprintReport, subject: str, cell: str) -> float | None:
    interval = report.figure(subject, cell).interval
    return None if interval is None else interval.value


def row(report: FingerprintReport, subject: str, cells: tuple[str, ...] = REACTIONS) -> list[float | None]:
    return [value(report, subject, cell) for cell in cells]


# -- known fingerprints ---------------------------------------------------------------------------------


def test_tit_for_tat_is_exactly_tit_for_tat(known: FingerprintReport) -> None:
    assert row(known, TIT_FOR_TAT) == [1, 1, 0, 1, 0]


def test_cells_without_data_say_so(known: FingerprintReport) -> None:
    assert row(known, ALL_D) == [0, None, None, 0, 0]
    assert row(known, ALL_C) == [1, 1, 1, None, None]
    assert known.figure(ALL_D, "CC").why == "no data"


def test_intervals_of_a_random_player_cover_three_quarters(known: FingerprintReport) -> None:
    found = [known.figure(COIN, cell).interval for cell in REACTIONS]
    covered = [each is not None and each.low <= 0.75 <= each.high for each in found]
    assert sum(covered) >= len(REACTIONS) - 1  # one of twenty may miss


def test_every_figure_is_in_its_interval(known: FingerprintReport) -> None:
    for each in known.figures:
        assert (each.interval is None) == bool(each.why)
        if each.interval and each.interval.known:
            assert each.interval.low <= each.interval.value <= each.interval.high
        elif each.interval:
            assert each.interval.why


def test_exploitability_is_that_of_the_payoffs(known: FingerprintReport) -> None:
    temptation, punishment, n = 5, 1, SETUPS[Probe.EXPLOITED].steps
    assert value(known, ALL_C, "exploitability") == temptation - punishment
    assert value(known, TIT_FOR_TAT, "exploitability") == (temptation - punishment) / n  # the first step only
    assert value(known, ALL_D, "exploitability") == 0


def test_best_response_gap_of_defector_and_cooperator(known: FingerprintReport) -> None:
    for game in ("gap_dilemma", "gap_goods"):
        assert value(known, ALL_D, game) == pytest.approx(0)
        assert value(known, ALL_C, game) == pytest.approx(1)


def test_contribution_curve_rises_for_reciprocators_only(known: FingerprintReport) -> None:
    low, mid, high = row(known, TIT_FOR_TAT, ("gift_low", "gift_mid", "gift_high"))
    assert (low or 0) < (mid or 0) < (high or 0)
    assert value(known, TIT_FOR_TAT, "gift_slope") == pytest.approx(1, abs=0.15)
    assert row(known, ALL_C, ("gift_first", "gift_low", "gift_mid", "gift_high", "gift_slope")) == [1, 1, 1, 1, 0]


def test_constant_player_does_not_respond_to_punishment(known: FingerprintReport) -> None:
    for name in (ALL_C, ALL_D):
        assert row(known, name, ("after_punished", "after_spared", "punishment_effect")) == [0, 0, 0]


def test_scripted_players_do_what_they_announce(known: FingerprintReport) -> None:
    for name in (TIT_FOR_TAT, ALL_D, ALL_C, COIN):
        assert row(known, name, ("announces", "word_kept", "unreadable")) == [1, 1, 0]
    agreement = known.figure(TIT_FOR_TAT, "beyond_chance").interval
    assert agreement is not None
    assert agreement.low > 0.15


def test_player_that_ignores_its_message_agrees_by_chance(known: FingerprintReport) -> None:
    interval = known.figure(IGNORING, "beyond_chance").interval
    assert interval is not None
    assert not interval.excludes(0)
    assert value(known, IGNORING, "announces") == 1


# -- which subjects differ -------------------------------------------------------------------------------


def cells(report: FingerprintReport, first: str, second: str) -> tuple[str, ...]:
    return next(pair.cells for pair in report.pairs if (pair.first, pair.second) == (first, second))


def test_different_players_are_separable_where_they_differ(known: FingerprintReport) -> None:
    assert {"opening", "DC", "exploitability", "gift_first"} <= set(cells(known, TIT_FOR_TAT, ALL_D))
    assert "CC" not in cells(known, TIT_FOR_TAT, ALL_D)  # one of them has no such step
    assert "CD" in cells(known, TIT_FOR_TAT, ALL_C)
    assert not {"opening", "CC"} & set(cells(known, TIT_FOR_TAT, ALL_C))
    assert "beyond_chance" in cells(known, TIT_FOR_TAT, IGNORING)


def test_equal_players_are_not_separable(tmp_path: Path) -> None:
    folder = take_fingerprints(scripted("random_50", "random"), conditions(8), out=tmp_path)
    report = read_fingerprints(folder)
    (pair,) = report.pairs
    dilemma = {cell.name for cell in CELLS if "dilemma" in cell.group} | {"announces", "word_kept", "beyond_chance"}
    assert not dilemma & set(pair.cells)  # with two options both draw the same


def test_p_values_are_adjusted_for_all_comparisons(known: FingerprintReport) -> None:
    assert len(known.pairs) == 10
    assert all(each.p_adjusted >= each.p_value for each in known.differences)
    smallest = min(known.differences, key=lambda each: each.p_value)
    assert smallest.p_adjusted == pytest.approx(len(known.differences) * smallest.p_value)
    for each in known.differences:
        assert each.separates == (each.interval.excludes(0) and each.p_adjusted <= 0.05)
        assert each.separates == (each.cell in cells(known, each.first, each.second))


# -- subjects and probes --------------------------------------------------------------------------------


def test_subjects_are_the_models_of_a_roster_and_its_base_last() -> None:
    found = subjects(Roster.load("first_contact"))
    names = ["cooperator", "defector", "reciprocator", "SmolLM2-135M-Instruct"]
    assert [each.name for each in found] == names
    assert [each.base for each in found] == [False, False, False, True]


def test_base_model_takes_part_and_a_copy_counts_once() -> None:
    rows = tuple(ModelConfig(model_id=f"m{i}", model_name="a", role=role) for i, role in enumerate(ModelRole))
    assert [each.name for each in subjects(Roster(name="r", base_model="org/Base", models=rows))] == ["a", "org/Base"]
    warm = rows[0].model_copy(update={"sampling": SamplingConfig(temperature=2.0)})
    two = subjects(Roster(name="r", base_model="org/Base", models=(rows[1], warm)))
    assert [each.name for each in two] == ["a (m1)", "a (m0)", "org/Base"]
    assert not any(each.base for each in subjects(scripted("grim")))


def test_probe_plans_differ_only_in_the_subject() -> None:
    plans = probe_plans(Roster.load("first_contact"), Conditions())
    for probe in Probe:
        same = [plan for arm, plan in plans.items() if arm.endswith(f"/{probe.value}")]
        assert len(same) == 4
        assert all(plan.scenario == same[0].scenario for plan in same)
        for plan in same:
            focal, *others = plan.roster.models
            assert (focal.part, focal.model_id, focal.role) == (PopulationPart.FOCAL, "player_1", ModelRole.NEUTRAL)
            assert (focal.specialization, focal.persona, focal.team_id) == ("general", "", None)
            assert tuple(others) == same[0].roster.models[1:]
            assert all(row.part is PopulationPart.BACKGROUND and row.policy for row in others)


def test_probes_have_different_seeds() -> None:
    seeds = [plan.scenario.seed for plan in probe_plans(scripted("random_50"), conditions(2)).values()]
    assert len(set(seeds)) == len(Probe)
    assert seeds == [plan.scenario.seed for plan in probe_plans(scripted("random_50"), conditions(2)).values()]


def test_prompts_show_no_part_and_no_policy() -> None:
    for plan in probe_plans(scripted("grim"), Conditions()).values():
        assert [row.model_id for row in plan.roster.models] == [
            f"player_{i + 1}" for i in range(len(plan.roster.models))
        ]


def test_one_episode_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 2 episodes"):
        take_fingerprints(scripted("grim"), conditions(1), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_cell_has_a_name_of_its_own_and_a_source() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    figures = [getattr(cell.sums, "func", cell.sums) for cell in CELLS]
    assert all("Source:" in (figure.__doc__ or "") for figure in figures)


@pytest.mark.parametrize("partner", [1.0, 0.0])
def test_exploiter_is_a_best_responder(partner: float) -> None:
    setting = Setting((Seat("player_1"), Seat("player_2")), SETUPS[Probe.EXPLOITED].steps)
    game = PrisonersDilemma(setting)
    view = game.observe(game.start(random.Random(0)), 1, Language.EN)
    assert view.payoff_model is not None
    prospects = dict(zip((option.action for option in view.options), view.payoff_model(partner), strict=True))
    (policy,) = SETUPS[Probe.EXPLOITED].background
    played = POLICIES[policy].decide(view, random.Random(0)).action
    assert prospects[played].payoff == max(prospect.payoff for prospect in prospects.values())


# -- reports --------------------------------------------------------------------------------------------


def test_load_report_reads_what_was_written(known: FingerprintReport, tmp_path: Path) -> None:
    folder = take_fingerprints(scripted("grim", "random_50"), conditions(2), out=tmp_path)
    report = read_fingerprints(folder)
    assert load_report(folder / REPORT) == report
    assert report.origin.seed == 5
    assert report.origin.weights == {"policy:grim": "scripted", "policy:random_50": "scripted"}
    assert {"python", "lora-society"} <= set(report.origin.versions)


def test_fingerprint_picture_is_well_formed_svg(known: FingerprintReport) -> None:
    drawn = ElementTree.fromstring(picture(known))
    shown = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert shown.count("no data") == 4
    assert "SIMULATED" not in picture(known)
    assert all(cell.title in shown for cell in CELLS)
    odd = replace(known, subjects=("a<b&c", *known.subjects[1:]))
    odd = replace(
        odd, figures=tuple(replace(f, subject="a<b&c") if f.subject == TIT_FOR_TAT else f for f in odd.figures)
    )
    ElementTree.fromstring(picture(odd))


def test_markdown_has_a_line_per_cell_and_per_pair(known: FingerprintReport) -> None:
    lines = markdown(known).splitlines()
    assert len(lines) == 2 + len(CELLS) + 1 + 2 + len(known.pairs)
    assert all(line.count("|") == 2 + len(known.subjects) for line in lines[: 2 + len(CELLS)])
    assert any("no data" in line for line in lines)


def cut_at(number: int) -> Callable[[Event], None]:
    seen = itertools.count(1)

    def observe(event: Event) -> None:
        if isinstance(event, DecisionMade) and next(seen) == number:
            raise KeyboardInterrupt

    return observe


def test_interrupted_fingerprints_end_in_the_same_report(tmp_path: Path) -> None:
    roster = scripted("random_75")
    whole = read_fingerprints(take_fingerprints(roster, conditions(2), out=tmp_path, at_once=1))
    with pytest.raises(SocietyError, match=COMMAND) as stopped:
        take_fingerprints(roster, conditions(2), out=tmp_path, at_once=1, on_event=cut_at(60))
    folder = Path(str(stopped.value).rsplit(" ", 1)[-1])
    with pytest.raises(SocietyError, match="not finished"):
        read_fingerprints(folder)
    again = read_fingerprints(run_set.play(folder, COMMAND))
    assert again.figures == whole.figures


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    roster = Roster.load("first_contact")
    one = roster.model_copy(update={"models": roster.models[:1]})
    return take_fingerprints(
        one, conditions(3, Tier.SIMULATED, role=ModelRole.TEAMMATE), out=tmp_path_factory.mktemp("s")
    )


def test_simulated_fingerprints_are_marked(simulated: Path) -> None:
    report = read_fingerprints(simulated)
    assert report.tiers == ("simulated",)
    assert any(note.startswith("SIMULATED") for note in report.notes)
    assert "SIMULATED: 42% of the texts are scripted" in picture(report)
    assert report.base == "SmolLM2-135M-Instruct"
    assert row(report, "cooperator") == row(report, report.base) == [1, 1, 0, 1, 0]  # the policy of a teammate
    assert [pair.cells for pair in report.pairs] == [()]
    assert set(report.origin.weights.values()) == {"not in this process"}


def test_subjects_of_different_tiers_are_not_compared(simulated: Path) -> None:
    table = next(simulated.glob("01-*/dilemma/*/tables/outcomes.parquet"))
    before = pd.read_parquet(table)
    before.assign(tier=before["tier"].astype(str).replace("simulated", "http")).to_parquet(table, index=False)
    try:
        with pytest.raises(MixedTiersError):
            read_fingerprints(simulated)
        assert read_fingerprints(simulated, mix_tiers=True).tiers == ("http", "simulated")
    finally:
        before.to_parquet(table, index=False)


def test_fingerprint_command_prints_table_pairs_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    roster = Roster.load("first_contact")
    roster.model_copy(update={"models": roster.models[:1]}).save("one.yaml")
    asked = ("study", "fingerprint", "one.yaml", "--tier", "simulated", "--episodes", "2", "--role", "competitor")
    code, out, err = society(capsys, *asked)
    assert code == 0
    assert "SIMULATED: " in out
    assert "episode 24/24" in err
    assert "cooperator and SmolLM2-135M-Instruct differ in: none: not separable" in out
    folder = Path(out.splitlines()[-1])
    assert {"fingerprint.json", "fingerprint.svg"} <= {path.name for path in folder.iterdir()}
    code, again, _ = society(capsys, "study", "fingerprint", str(folder), "--json")
    assert code == 0
    assert json.loads(again)["origin"]["role"] == "competitor"


def test_folder_without_fingerprints_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = society(capsys, "study", "fingerprint", str(tmp_path))
    assert code == 1
    assert "start with: society study fingerprint" in err


@pytest.mark.parametrize("tier", [Tier.HTTP, pytest.param(Tier.CAMEL, marks=pytest.mark.slow)])
async def test_probes_on_a_server_run_side_by_side(tier: Tier, tmp_path: Path) -> None:
    roster = Roster(name="served", base_model="base", models=(ModelConfig(model_id="m", model_name="cooperator"),))
    async with ScriptedVLLM() as stub:
        stub.delay = 0.01
        asked = Conditions(settings=Settings(tier=tier, episodes=4, endpoints=(stub.url,)))
        folder = await asyncio.to_thread(take_fingerprints, roster, asked, out=tmp_path)
    assert stub.most_in_flight > 1
    assert {body["model"] for body in stub.bodies} == {"cooperator", "base"}
    report = read_fingerprints(folder)
    assert report.tiers == (tier.value,)
    assert row(report, "cooperator") == [1, 1, 1, None, None]  # the stub takes the first choice
    assert value(report, "cooperator", "exploitability") == 4
    assert report.figure("cooperator", "word_kept").why == "no data"  # it names no option
    assert report.pairs[0].cells == ()

"""What a scenario must keep to beyond the types of its fields, alone and with its roster.

The rules read raw data (mappings as YAML or JSON gives them), so that one check of a file finds every mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.findings import Finding, RawMapping, shown
from agents.inference.provenance import FALLBACK_ORDER
from agents.problems import nearest
from agents.roster_rules import mappings, name_findings, raw_players
from agents.strategy import TrainingMode
from agents.web_address import address_findings
from simulation.games import find_game
from simulation.interventions.intervention import addressed_findings, events_findings
from simulation.interviews.survey import surveyed_findings, surveys_findings
from simulation.own_templates import template_findings
from simulation.seats import Seat, named_teams
from simulation.sweep_values import sweep_findings
from simulation.task import NETWORK, raw_parameters, raw_setting, task_findings
from simulation.topology.graph import edge_findings, plain_topology
from simulation.training_rules import learner_findings, training_findings, unfit_findings


def scenario_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw scenario beyond the types of its fields."""
    yield from name_findings("name", data.get("name"))
    tasks = mappings(data.get("tasks"))
    for index, task in tasks:
        yield from (finding.under("tasks", index) for finding in task_findings(task))
    yield from _duplicate_tasks(tasks)
    yield from sweep_findings(data.get("sweep"))
    yield from template_findings(data.get("prompt_templates"))
    yield from surveys_findings(data)
    yield from events_findings(data)
    yield from _database_findings(data)
    inference = data.get("inference")
    if isinstance(inference, Mapping):
        yield from (finding.under("inference") for finding in inference_findings(inference))
    training = data.get("training")
    if isinstance(training, Mapping):
        yield from (finding.under("training") for finding in training_findings(training))


def _database_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield why the OASIS database cannot be left out."""
    off = (False, "off")
    if data.get("oasis_db", True) in off and data.get("prompts", True) not in off:
        yield Finding(("oasis_db",), "off is for a run that is played in columns: say prompts: off too")
    acts = isinstance(rules := data.get("communication"), Mapping) and rules.get("social_actions")
    networks = [task for _, task in mappings(data.get("tasks")) if task.get("task_type") == NETWORK]
    if data.get("oasis_db", True) in off and (acts or networks):
        yield Finding(("oasis_db",), "off leaves out what models do in a social network")


def _duplicate_tasks(tasks: list[tuple[int, RawMapping]]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, task in tasks:
        task_id = task.get("task_id")
        if not isinstance(task_id, str):
            continue
        if task_id in first:
            message = f"the task_id {shown(task_id)} is taken by tasks.{first[task_id]}"
            yield Finding(("tasks", index, "task_id"), message)
        first.setdefault(task_id, index)


def inference_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw `inference` section beyond the types of its fields."""
    endpoints = data.get("endpoints")
    for index, endpoint in enumerate(endpoints if isinstance(endpoints, (list, tuple)) else ()):
        spelt_out = isinstance(endpoint, Mapping)
        path = ("endpoints", index, "url") if spelt_out else ("endpoints", index)
        yield from address_findings(path, endpoint.get("url") if spelt_out else endpoint)
    yield from _floor_findings(data)


def _floor_findings(data: RawMapping) -> Iterator[Finding]:
    order = [tier.value for tier in FALLBACK_ORDER]
    require, tiers = data.get("require"), data.get("tiers", order)
    if require not in order or not isinstance(tiers, (list, tuple)) or not all(t in order for t in tiers):
        return
    if tiers and not any(order.index(tier) <= order.index(require) for tier in tiers):
        hint = f"nearest valid: {min(tiers, key=order.index)}"
        yield Finding(("require",), f"{shown(require)} leaves none of the tiers allowed", hint)


def plan_findings(data: RawMapping, roster: RawMapping) -> Iterator[Finding]:
    """Yield where a raw scenario and its raw roster do not fit together.

    Yields nothing if the roster is too broken to say who plays.
    """
    players = raw_players(roster)
    if players is None:
        return
    seats = tuple(Seat(model_id, team_id) for model_id, team_id in players)
    if data.get("mode") == TrainingMode.TEAM_BATTLE.value and named_teams(seats) < 2:
        teams = ", ".join(sorted({seat.team_id for seat in seats if seat.team_id})) or "none"
        message = f"team_battle needs two teams; teams of the roster {data.get('roster')}: {teams}"
        yield Finding(("mode",), message, "give its rows a team_id")
    for index, task in mappings(data.get("tasks")):
        yield from (finding.under("tasks", index) for finding in _task_findings(task, seats))
    yield from _communication_findings(data, [seat.model_id for seat in seats])
    yield from surveyed_findings(data, [seat.model_id for seat in seats])
    yield from addressed_findings(data, roster, seats)
    training = data.get("training")
    if isinstance(training, Mapping):
        yield from (finding.under("training") for finding in learner_findings(training, roster))
        yield from (finding.under("training") for finding in unfit_findings(data, training, roster))


def _task_findings(task: RawMapping, seats: tuple[Seat, ...]) -> Iterator[Finding]:
    required, parameters = task.get("required_models"), raw_parameters(task)
    if isinstance(required, int) and required > len(seats):
        message = f"needs {required} models; the roster has {len(seats)}"
        yield Finding(("required_models",), message, f"nearest valid: {len(seats)}")
    if parameters is not None:
        game, setting = find_game(task["task_type"]), raw_setting(task, seats)
        refusal = game.refuse(setting, parameters)
        if refusal:
            by_parameters = task.get("parameters") and not game.refuse(setting, game.Parameters())
            yield Finding(("parameters" if by_parameters else "task_type",), refusal)


def _communication_findings(data: RawMapping, players: list[str]) -> Iterator[Finding]:
    """Yield where the topology or the silenced senders do not fit the roster."""
    communication = data.get("communication")
    senders = communication.get("senders") if isinstance(communication, Mapping) else None
    for place, name in enumerate(senders if isinstance(senders, (list, tuple)) else ()):
        if isinstance(name, str) and name not in players:
            hint = nearest(name, players)
            yield Finding(("communication", "senders", place), f"no model is called {shown(name)}", hint)
    topology = communication.get("topology") if isinstance(communication, Mapping) else None
    for finding in edge_findings(plain_topology(topology), players):
        yield finding.under("communication", "topology")

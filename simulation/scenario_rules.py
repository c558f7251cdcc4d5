"""What a scenario must keep to beyond the types of its fields, alone and with its roster.

The rules read raw data (mappings as YAML or JSON gives them), so that one check of a file finds every mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.findings import Finding, RawMapping, shown
from agents.inference.provenance import FALLBACK_ORDER
from agents.players.policies import POLICIES, TABULAR
from agents.problems import nearest
from agents.roster_rules import mappings, name_findings, raw_players, row_ids
from agents.strategy import TrainingMode
from agents.web_address import address_findings
from simulation.games import find_game
from simulation.seats import Seat, named_teams
from simulation.sweep_values import sweep_findings
from simulation.task import raw_parameters, raw_setting, task_findings
from simulation.topology.graph import edge_findings, plain_topology

_SHAPING = ("lola", "advantage_alignment")
_COMPUTED = ("exact", *_SHAPING)


def scenario_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw scenario beyond the types of its fields."""
    yield from name_findings("name", data.get("name"))
    tasks = mappings(data.get("tasks"))
    for index, task in tasks:
        yield from (finding.under("tasks", index) for finding in task_findings(task))
    yield from _duplicate_tasks(tasks)
    yield from sweep_findings(data.get("sweep"))
    inference = data.get("inference")
    if isinstance(inference, Mapping):
        yield from (finding.under("inference") for finding in inference_findings(inference))
    training = data.get("training")
    if isinstance(training, Mapping):
        yield from (finding.under("training") for finding in training_findings(training))


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
    yield from _edge_findings(data, [seat.model_id for seat in seats])
    training = data.get("training")
    if isinstance(training, Mapping):
        yield from (finding.under("training") for finding in learner_findings(training, roster))
        yield from (finding.under("training") for finding in _unfit_findings(data, training, roster))


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


def _edge_findings(data: RawMapping, players: list[str]) -> Iterator[Finding]:
    communication = data.get("communication")
    topology = communication.get("topology") if isinstance(communication, Mapping) else None
    for finding in edge_findings(plain_topology(topology), players):
        yield finding.under("communication", "topology")


def training_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what is wrong in a raw `training` section beyond the types of its fields."""
    method, learners = data.get("method"), data.get("learners")
    for name, learner in learners.items() if isinstance(learners, Mapping) else ():
        teacher = learner.get("teacher") if isinstance(learner, Mapping) else None
        if isinstance(teacher, str) and teacher not in POLICIES:
            hint = nearest(teacher, list(POLICIES))
            yield Finding(("learners", name, "teacher"), f"no policy is called {shown(teacher)}", hint)
        if method == "imitation" and not teacher:
            yield Finding(("learners", name, "teacher"), "is missing", "imitation needs a policy to play like")
    yield from _company_findings(data)
    partners = data.get("partners")
    for name, policies in partners.items() if isinstance(partners, Mapping) else ():
        if method not in _COMPUTED:
            yield Finding(
                ("partners", name), f"only the methods {', '.join(_COMPUTED)} take several policies for a row"
            )
        for place, policy in enumerate(policies if isinstance(policies, (list, tuple)) else ()):
            if policy not in POLICIES:
                hint = nearest(policy, list(POLICIES))
                yield Finding(("partners", name, place), f"no policy is called {shown(policy)}", hint)
    parts, episodes = data.get("parts", 1), data.get("episodes", 16)
    if isinstance(parts, int) and isinstance(episodes, int) and parts > episodes:
        yield Finding(("parts",), f"{parts} is more than the {episodes} episodes that are divided", "give fewer parts")
    if parts != 1 and method != "reinforce":
        yield Finding(("parts",), "only the method reinforce divides its episodes", "leave it out")
    if method == "filtered_imitation" and not data.get("runs"):
        yield Finding(("runs",), "is missing", "filtered_imitation learns from finished runs: name their folders")
    gate = data.get("gate")
    if isinstance(gate, Mapping):
        yield from (finding.under("gate") for finding in _gate_findings(data, gate))


def _gate_findings(data: RawMapping, gate: RawMapping) -> Iterator[Finding]:
    """Yield held-out partners that are none: unknown, twice, or met in the training."""
    taken = _met_policies(data)
    seen: set[object] = set()
    for place, policy in _held_out(gate):
        if policy not in POLICIES or policy == TABULAR:
            hint = nearest(policy, [name for name in POLICIES if name != TABULAR])
            yield Finding(("held_out", place), f"no policy is called {shown(policy)}", hint)
        elif policy in taken:
            yield Finding(("held_out", place), f"{policy} is met in the training: {taken[policy]}", _HELD_OUT)
        elif policy in seen:
            yield Finding(("held_out", place), f"{policy} is there twice", "leave one out")
        seen.add(policy)


def _met_policies(data: RawMapping) -> dict[object, str]:
    """Return the policies that a raw `training` section lets learners meet, each with where it says so."""
    partners, learners, found = data.get("partners"), data.get("learners"), dict[object, str]()
    for name, policies in partners.items() if isinstance(partners, Mapping) else ():
        for policy in policies if isinstance(policies, (list, tuple)) else ():
            found[policy] = f"training.partners.{name}"
    for name, learner in learners.items() if isinstance(learners, Mapping) else ():
        if isinstance(learner, Mapping) and data.get("method") == "imitation":
            found[learner.get("teacher")] = f"training.learners.{name}.teacher"
    return found


_HELD_OUT = "name a policy that no learner plays with"


def _held_out(gate: RawMapping) -> list[tuple[int, str]]:
    held_out = gate.get("held_out")
    entries = held_out if isinstance(held_out, (list, tuple)) else ()
    return [(place, policy) for place, policy in enumerate(entries) if isinstance(policy, str)]


def _company_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield where shaping or a league has the wrong number of learners, or a league what it cannot go with."""
    method, learners = data.get("method"), data.get("learners")
    if method in _SHAPING and isinstance(learners, Mapping) and len(learners) == 1:
        yield Finding(("learners",), f"{method} shapes how other learners learn, and there is one", "name two or more")
    if data.get("league") is None:
        return
    if data.get("gate") is not None:
        yield Finding(("league",), "goes by its own rounds, which a gate would undo", "leave league or gate out")
    if data.get("method") != "exact":
        yield Finding(("league",), "needs the method exact, which computes answers to a mixture", "set method: exact")
    if isinstance(learners, Mapping) and len(learners) != 2:
        yield Finding(("league",), f"is of two learners; training.learners names {len(learners)}")


def learner_findings(data: RawMapping, roster: RawMapping) -> Iterator[Finding]:
    """Yield where a raw `training` section does not fit a raw roster."""
    learners, partners = data.get("learners"), data.get("partners")
    rows = {model_id: row for _, row in mappings(roster.get("models")) for model_id in row_ids(row) or ()}
    for name in partners if isinstance(partners, Mapping) else ():
        if name not in rows or (isinstance(learners, Mapping) and name in learners):
            why = f"no model is called {shown(name)}" if name not in rows else "is a learner, not a partner"
            yield Finding(("partners", name), why, nearest(name, list(rows)))
    for name in learners if isinstance(learners, Mapping) else ():
        row = rows.get(name)
        if row is None:
            yield Finding(("learners", name), f"no model is called {shown(name)}", nearest(name, list(rows)))
        elif row.get("policy") not in (None, TABULAR):
            message = f"is played by the policy {row['policy']}, which does not learn"
            yield Finding(("learners", name), message, f"give the row an adapter, or policy: {TABULAR}")
        elif row.get("human"):
            yield Finding(("learners", name), "is played by a person", "only adapters and tables learn")


def _divided_findings(data: RawMapping, training: RawMapping, tables: bool) -> Iterator[Finding]:
    """Yield why an update's episodes cannot be divided."""
    mode = data.get("mode")
    if training.get("parts", 1) == 1:
        return
    if tables:
        yield Finding(("parts",), "tables are played in one process", "leave it out")
    if mode == "mixed" or isinstance(mode, Mapping):
        yield Finding(("parts",), "the mode mixed picks each episode's mode by those before it", "leave it out")


def _unfit_findings(data: RawMapping, training: RawMapping, roster: RawMapping) -> Iterator[Finding]:
    """Yield where learners do not fit the scenario: tables that should speak, a team objective without teams."""
    learners, communication = training.get("learners"), data.get("communication")
    if not isinstance(learners, Mapping):
        return
    rows = {model_id: row for _, row in mappings(roster.get("models")) for model_id in row_ids(row) or ()}
    tables = [name for name in learners if rows.get(name, {}).get("policy") == TABULAR]
    talk = communication if isinstance(communication, Mapping) else {}
    if tables and talk.get("talk_rounds", 1) and not talk.get("words"):
        why = "is a table of choices, which cannot speak freely"
        yield Finding(("learners", tables[0]), why, "set communication.talk_rounds to 0, or give communication.words")
    if tables and training.get("method") == "filtered_imitation":
        yield Finding(("method",), "learns from what models were asked, and tables are asked nothing", "use imitation")
    yield from _divided_findings(data, training, bool(tables))
    yield from _gate_unfit(training, learners, rows, bool(talk.get("talk_rounds", 1)))
    teams = {row.get("team_id") for row in rows.values()} - {None}
    for name, learner in learners.items():
        objective = learner.get("objective") if isinstance(learner, Mapping) else None
        if objective == "team" and name in rows and (len(teams) < 2 or rows[name].get("team_id") is None):
            why = "team needs a team of the learner's own and another one"
            yield Finding(("learners", name, "objective"), why, "give rows a team_id")


def _gate_unfit(training: RawMapping, learners: RawMapping, rows: RawMapping, talks: bool) -> Iterator[Finding]:
    """Yield held-out partners that play a row of the roster, and a limit that cannot be computed."""
    gate = training.get("gate")
    if not isinstance(gate, Mapping):
        return
    partners = training.get("partners")
    fixed = {
        row.get("policy"): name for name, row in rows.items() if name not in learners and name not in (partners or {})
    }
    for place, policy in _held_out(gate):
        if policy in fixed:
            why = f"{policy} is met in the training: it plays {fixed[policy]}"
            yield Finding(("gate", "held_out", place), why, _HELD_OUT)
    if talks and gate.get("max_exploitability") is not None:
        why = "a best response is computed in silent games only"
        yield Finding(("gate", "max_exploitability"), why, "set communication.talk_rounds to 0, or leave it out")

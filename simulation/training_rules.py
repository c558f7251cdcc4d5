"""What a scenario's `training` section must keep to beyond the types of its fields, alone and with scenario and roster.

The rules read raw data, as those of `simulation.scenario_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from agents.findings import Finding, RawMapping, shown
from agents.players.policies import POLICIES, TABULAR
from agents.problems import nearest
from agents.roster_rules import mappings, row_ids

_SHAPING = ("lola", "advantage_alignment")
_COMPUTED = ("exact", *_SHAPING)
_PLAYING = [name for name in POLICIES if name != TABULAR]
"""The policies that can play a partner: a table has nothing to play before it learned."""


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
    yield from _credit_findings(data)
    yield from _opponents_findings(data)
    yield from _evolution_findings(data)
    if method == "filtered_imitation" and not data.get("runs"):
        yield Finding(("runs",), "is missing", "filtered_imitation learns from finished runs: name their folders")
    gate = data.get("gate")
    if isinstance(gate, Mapping):
        yield from (finding.under("gate") for finding in _gate_findings(data, gate))


def _credit_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what only one method gives credit for."""
    method = data.get("method")
    if data.get("sampled") and method != "advantage_alignment":
        yield Finding(("sampled",), "only advantage_alignment can be sampled or computed", "leave it out")
    if data.get("sampled") and data.get("partners"):
        yield Finding(("partners",), "are taken by methods that compute; this one plays", "leave sampled out")
    if data.get("message_credit", "return") != "return" and method != "reinforce":
        yield Finding(("message_credit",), "only the method reinforce credits messages", "leave it out")


def _opponents_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield why an update's episodes cannot be divided among opponents."""
    opponents, learners = data.get("opponents"), data.get("learners")
    if not isinstance(opponents, Mapping) or not _divides(opponents):
        return
    if data.get("method") != "reinforce":
        yield Finding(("opponents",), "only the method reinforce meets opponents by share", "leave it out")
    if data.get("parts", 1) != 1:
        yield Finding(("parts",), "opponents divide the episodes already", "leave parts out")
    if opponents.get("past") and isinstance(learners, Mapping) and len(learners) == 1:
        yield Finding(("opponents", "past"), "there is no other learner with earlier versions", "use scripted")
    for place, policy in _texts(opponents, "policies"):
        if policy not in _PLAYING:
            yield _no_policy(("opponents", "policies", place), policy)
    yield from _small_shares(opponents, data.get("episodes", 16))


def _evolution_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield what a search over mixtures lacks, or cannot go with."""
    settings, gate = data.get("evolution"), data.get("gate")
    if data.get("method") != "evolution":
        if settings is not None:
            yield Finding(("evolution",), "only the method evolution mixes adapters", "leave it out")
        return
    if settings is None:
        yield Finding(("evolution",), "is missing", "name the adapters that are mixed: evolution: {adapters: [...]}")
    if isinstance(gate, Mapping) and gate.get("max_exploitability") is not None:
        why = "needs the probabilities of choices, which an evolution does not know"
        yield Finding(("gate", "max_exploitability"), why, "leave it out")
    for key in ("adapters", "company"):
        names = [each for _, each in _texts(settings, key)] if isinstance(settings, Mapping) else []
        for place, name in enumerate(names):
            if name in names[:place]:
                yield Finding(("evolution", key, place), f"{shown(name)} is there twice", "leave one out")
            elif key == "company" and name not in _PLAYING:
                yield _no_policy(("evolution", key, place), name)


def _divides(opponents: object) -> bool:
    """Return whether a raw `opponents` section has others than the latest versions."""
    return isinstance(opponents, Mapping) and (bool(opponents.get("past")) or bool(opponents.get("scripted")))


def _no_policy(path: tuple[str | int, ...], policy: str) -> Finding:
    return Finding(path, f"no policy is called {shown(policy)}", nearest(policy, _PLAYING))


def _texts(data: RawMapping, key: str) -> list[tuple[int, str]]:
    """Return the texts of a raw list with their places."""
    given = data.get(key)
    entries = given if isinstance(given, (list, tuple)) else ()
    return [(place, each) for place, each in enumerate(entries) if isinstance(each, str)]


def _small_shares(opponents: RawMapping, episodes: object) -> Iterator[Finding]:
    """Yield shares of less than one episode: they would never be met."""
    shares = {kind: opponents.get(kind, float(kind == "latest")) for kind in ("latest", "past", "scripted")}
    if not isinstance(episodes, int) or not all(isinstance(share, (int, float)) for share in shares.values()):
        return
    total = sum(shares.values())
    if not total < 1e6:
        return  # the fields have a rule for such shares
    for kind, share in shares.items():
        if total > 0 and share > 1e-9 and share * episodes < total:
            least = math.ceil(total / share)
            why = f"its share of {episodes} episodes is less than one"
            yield Finding(("opponents", kind), why, f"give episodes: {least}, or more to {kind}")


def _gate_findings(data: RawMapping, gate: RawMapping) -> Iterator[Finding]:
    """Yield held-out partners that are none: unknown, twice, or met in the training."""
    taken = _met_policies(data)
    seen: set[object] = set()
    for place, policy in _texts(gate, "held_out"):
        if policy not in _PLAYING:
            yield _no_policy(("held_out", place), policy)
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
    for section, key in (("opponents", "policies"), ("evolution", "company")):
        named = data.get(section)
        for _, policy in _texts(named, key) if isinstance(named, Mapping) else ():
            found[policy] = f"training.{section}.{key}"
    return found


_HELD_OUT = "name a policy that no learner plays with"


def _company_findings(data: RawMapping) -> Iterator[Finding]:
    """Yield where shaping or a league has the wrong number of learners, or a league what it cannot go with."""
    method, learners = data.get("method"), data.get("learners")
    if method in _SHAPING and isinstance(learners, Mapping) and len(learners) == 1:
        yield Finding(("learners",), f"{method} shapes how other learners learn, and there is one", "name two or more")
    if data.get("league") is None:
        return
    if data.get("gate") is not None:
        yield Finding(("league",), "goes by its own rounds, which a gate would undo", "leave league or gate out")
    if method not in ("exact", "reinforce"):
        yield Finding(("league",), "needs a method that learns answers to a mixture", "set method: exact or reinforce")
    if _divides(data.get("opponents")):
        yield Finding(("opponents",), "a league has opponents of its own: the mixture", "leave opponents or league out")
    if data.get("parts", 1) != 1:
        yield Finding(("parts",), "a league divides the episodes already", "leave parts out")
    if data.get("message_credit", "return") != "return":
        yield Finding(("message_credit",), "twins are of episodes with the latest versions", "leave it out")
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


def _twin_findings(data: RawMapping, training: RawMapping, talk: RawMapping) -> Iterator[Finding]:
    """Yield why messages cannot be credited by silenced twins."""
    if talk.get("talk_rounds", 1) == 0 or data.get("mode") == "competitive":
        why = "credits messages, and nobody is heard"
        yield Finding(("message_credit",), why, "set communication.talk_rounds to 1 in another mode, or leave it out")
    treatment = talk.get("treatment", "delivered")
    if treatment != "delivered" and not (treatment == "silenced" and talk.get("senders")):
        why = "a twin silences one learner and would lift the treatment of the others"
        yield Finding(("message_credit",), why, "set communication.treatment to delivered")
    if _divides(training.get("opponents")):
        why = "twins are of episodes in which every learner plays its latest version"
        yield Finding(("message_credit",), why, "leave opponents or message_credit out")


def _by_mode_findings(data: RawMapping, training: RawMapping) -> Iterator[Finding]:
    """Yield what the mode mixed cannot do: it picks each episode's mode by those before it."""
    mode = data.get("mode")
    if mode != "mixed" and not isinstance(mode, Mapping):
        return
    asked = {"parts": training.get("parts", 1) != 1, "opponents": _divides(training.get("opponents"))}
    asked["sampled"] = bool(training.get("sampled"))
    asked["message_credit"] = training.get("message_credit", "return") != "return"
    for key in (key for key, given in asked.items() if given):
        yield Finding((key,), "the mode mixed picks each episode's mode by those before it", "leave it out")


def unfit_findings(data: RawMapping, training: RawMapping, roster: RawMapping) -> Iterator[Finding]:
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
    if tables and training.get("method") == "evolution":
        yield Finding(("method",), "mixes adapters, and a table has none", "give the row an adapter")
    if tables and training.get("parts", 1) != 1:
        yield Finding(("parts",), "tables are played in one process", "leave it out")
    yield from _by_mode_findings(data, training)
    if training.get("message_credit", "return") != "return":
        yield from _twin_findings(data, training, talk)
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
    for place, policy in _texts(gate, "held_out"):
        if policy in fixed:
            why = f"{policy} is met in the training: it plays {fixed[policy]}"
            yield Finding(("gate", "held_out", place), why, _HELD_OUT)
    if talks and gate.get("max_exploitability") is not None:
        why = "a best response is computed in silent games only"
        yield Finding(("gate", "max_exploitability"), why, "set communication.talk_rounds to 0, or leave it out")

"""What in a plan is valid and yet may surprise: a model that reaches nobody, a setting without effect."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agents.findings import Finding
from agents.inference.provenance import Tier
from agents.inference.servers.balancing import Balancing
from agents.language import Language
from agents.roster import ModelConfig
from agents.roster_rules import look_alikes
from agents.strategy import TrainingMode
from simulation.modes import MixingPolicy, hears, playable_modes
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.seats import Seat, teams
from simulation.topology.graph import SAMPLED, Links, TopologyKind, neighbours
from simulation.treatment import Treatment

logger = logging.getLogger("society.notice")  # shown without --verbose

_NAMED = 3
LARGE = 5_000
"""Players of a society that is worth a word on how it is played."""


def plan_warnings(plan: Plan) -> tuple[str, ...]:
    """Return the warnings about a plan, each in one line; empty where nothing surprises."""
    players = plan.roster.expand()
    ids = [row.model_id for row in players]
    return (
        *look_alikes(ids),
        *_unheard(plan, tuple(Seat(row.model_id, row.team_id) for row in players)),
        *_links(plan.scenario, ids),
        *_budget(plan.scenario),
        *_without_effect(plan.scenario),
        *_slow(plan, len(ids)),
        *_foreign_texts(players, plan.scenario.language),
        *_cautions(plan.scenario),
    )


def _slow(plan: Plan, players: int) -> Iterator[str]:
    """Say that a large society of simulated models would be played in columns without its prompts."""
    scenario = plan.scenario
    alone = set(scenario.inference.settings().allowed) <= {Tier.SIMULATED}
    models = sum(row.count for row in plan.roster.models if row.model_name)
    if players >= LARGE and alone and models and not scenario.in_columns and not scenario.needs_tools:
        yield f"prompts of {models:,} simulated models are made and stored: prompts: off plays them many times as fast"


def warn(plan: Plan) -> None:
    """Log the warnings about a plan."""
    for each in plan_warnings(plan):
        logger.warning("%s", each)


def _unheard(plan: Plan, seats: Sequence[Seat]) -> Iterator[str]:
    """Yield for each mode of the scenario who reaches nobody; in the competitive mode nobody is meant to."""
    rules, mode = plan.scenario.communication, plan.scenario.mode
    if rules.talk_rounds == 0 or len(seats) == 1:
        return
    modes = playable_modes(seats) if mode is TrainingMode.MIXED else (mode,)
    joined = isinstance(rules.topology, TopologyKind)  # every model has a neighbour
    for each in modes:
        if each is not TrainingMode.COMPETITIVE and not (joined and each is TrainingMode.COOPERATIVE):
            near = zip(seats, _near(plan, seats), strict=True)
            mute = [seat.model_id for seat, others in near if not any(hears(each, seat, seats[o]) for o in others)]
            if mute:
                why = "communication.topology and the mode let no one hear them"
                yield f"{len(mute)} of {len(seats)} models reach nobody in {each.value} ({some(mute)}): {why}"


def _near(plan: Plan, seats: Sequence[Seat]) -> Sequence[Sequence[int]]:
    """Return whom each player is linked to. Of a complete graph, a few that stand for all: it may be very large."""
    rules = plan.scenario.communication
    if rules.topology is not TopologyKind.COMPLETE:
        return neighbours(rules.graph([seat.model_id for seat in seats], plan.scenario.seed))
    groups = teams(seats)
    return [(0, 1, *groups[seat.team_id or player][:2]) for player, seat in enumerate(seats)]


def _links(scenario: Scenario, ids: Sequence[str]) -> Iterator[str]:
    """Yield what is dropped of links that the user lists."""
    topology = scenario.communication.topology
    if isinstance(topology, TopologyKind):
        return
    directed = isinstance(topology, Links) and bool(topology.directed)
    edges = (topology.edges or ()) if isinstance(topology, Links) else topology
    loops = [a for a, b in edges if a == b]
    if loops:
        yield f"communication.topology: {len(loops)} links join a model to itself and are left out ({some(loops)})"
    times = Counter(edge if directed else tuple(sorted(edge)) for edge in edges)
    again = [f"{a}-{b}" for (a, b), count in times.items() if count > 1]
    if again:
        fix = "" if directed else "; links have no direction here: for one write a -> b, or directed: true"
        yield f"communication.topology: {len(again)} links are given more than once ({some(again)}){fix}"


def _budget(scenario: Scenario) -> Iterator[str]:
    """Yield where the message budget leaves talk rounds silent."""
    rules = scenario.communication
    budget, rounds = rules.message_budget, rules.talk_rounds
    if budget is None or rounds == 0 or scenario.mode is TrainingMode.COMPETITIVE:
        return
    if budget == 0:
        yield "communication.message_budget: 0 silences every talk round; talk_rounds: 0 says the same"
        return
    for task in scenario.tasks:
        if budget < rounds * task.max_steps:
            step = budget // rounds + 1
            what = f"after {budget} messages models are silent, from step {step} of {task.max_steps} on"
            yield f"communication.message_budget: {budget} is used up in task {task.task_id!r}: {what}"


def _without_effect(scenario: Scenario) -> Iterator[str]:
    """Yield the settings that the scenario gives and that do nothing beside its others."""
    rules, mixing, inference = scenario.communication, scenario.mixing, scenario.inference
    topology = rules.topology.value if isinstance(rules.topology, TopologyKind) else "a network"
    bandit, kind = f"policy {mixing.policy.value}", rules.topology
    cases = (
        ("mode.mixed", mixing, "gamma", mixing.policy is MixingPolicy.EXP3, bandit, "exp3"),
        ("communication", rules, "degree", kind in SAMPLED, topology, "small_world and scale_free"),
        ("communication", rules, "words", rules.talk_rounds > 0, "talk_rounds 0", "talk"),
        (
            "communication",
            rules,
            "senders",
            rules.treatment is Treatment.SILENCED,
            f"treatment {rules.treatment.value}",
            "silenced",
        ),
        ("communication", rules, "rewire", kind is TopologyKind.SMALL_WORLD, topology, "small_world"),
        (
            "inference",
            inference,
            "replicas",
            inference.balancing is Balancing.ADAPTER_AFFINITY,
            inference.balancing.value,
            "adapter_affinity",
        ),
    )
    for section, model, key, used, beside, used_by in cases:
        if not used and key in model.model_fields_set:
            yield f"{section}.{key} has no effect beside {beside}; it is used by {used_by}"


def some(names: Iterable[str]) -> str:
    """Return the first names as text, with the number of the others."""
    listed = list(names)
    more = f" and {len(listed) - _NAMED:,} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


def _foreign_texts(players: Sequence[ModelConfig], language: Language) -> Iterator[str]:
    """Yield where a text of a row is not there in the scenario's language: the prompt gets the other."""
    for key in ("specialization", "persona"):
        texts = {row.model_id: getattr(row, key) for row in players}
        lacking = [name for name, text in texts.items() if isinstance(text, Mapping) and not text.get(language)]
        if lacking:
            yield f"{key} of {some(lacking)} is not given in {language.value}: the prompt has the other language's"


def _cautions(scenario: Scenario) -> Iterator[str]:
    """Yield what is legal in a game's parameters but may surprise, each with its key."""
    for index, task in enumerate(scenario.tasks):
        for caution in task.game_parameters().cautions():
            yield str(Finding(("tasks", index, "parameters"), caution))

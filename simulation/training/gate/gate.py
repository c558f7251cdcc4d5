"""A training's gate: after an update, is each learner's latest version promoted?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agents.learning.samples import Version
from agents.problems import SocietyError, UsageError
from simulation.plan import Plan
from simulation.sections.gate import OnReject
from simulation.training.gate.arms import gate_of, pilot_values, played_differences
from simulation.training.gate.decision import COMPANY, GateDecision, GateMeasures, GateVerdict, decide
from simulation.training.gate.exact import exact_differences, exploitability_of, graphs_with
from simulation.training.gate.power import POWER, GatePower, exact_power, pilot_power, read_power, write_power
from simulation.training.ledger import Ledger, UpdateLine
from simulation.training.lesson import UpdateContext
from simulation.training.methods.exact import graphs_of

OnPower = Callable[[Sequence[GatePower]], None]


def refuse_unknown_exploitability(plan: Plan) -> None:
    """Raise UsageError where a gate limits what cannot be computed in a plan's games."""
    config = plan.scenario.training
    if config is None or config.gate is None or config.gate.max_exploitability is None:
        return
    try:
        graphs_of(plan)
    except SocietyError as error:
        raise UsageError(
            f"training.gate.max_exploitability: no best response is computed here: {error}; leave it out"
        ) from error


def publish_power(context: UpdateContext, on_power: OnPower | None) -> None:
    """Write into the folder how likely the gate sees a gain of delta, where there is a gate, before any update.

    Args:
        context: The training before its first update; the trainer has its first versions.
        on_power: Called with the power, also where it was written before.

    Raises:
        SocietyError: As `play_arm`.
    """
    if context.config.gate is None:
        return
    if not (context.folder / POWER).is_file():
        write_power(context.folder, list(_powers(context)))
    if on_power is not None:
        on_power(read_power(context.folder))


def _powers(context: UpdateContext) -> Iterator[GatePower]:
    config = gate_of(context.config)
    for learner in context.config.learners:
        for partner in (COMPANY, *config.held_out):
            if graphs_with(context.plan, learner, partner) is not None:
                yield exact_power(learner, partner, config)
            else:
                yield pilot_power(learner, partner, pilot_values(context, learner, partner), config)


def pass_gate(
    context: UpdateContext, ledger: Ledger, line: UpdateLine, versions: Mapping[str, Version]
) -> tuple[UpdateLine, dict[str, Version]]:
    """Return the line with the gate's decisions, where one is due, and the versions that the next update changes.

    Args:
        context: The training before the update; its trainer has the new versions.
        ledger: The lines before this one.
        line: The update's line.
        versions: The new versions.

    Raises:
        SocietyError: As `play_arm`.
    """
    config = context.config.gate
    if config is None or not config.is_due(line.update, context.config.updates):
        return line, dict(versions)
    after, goes_on, gates = replace(context, versions=versions), dict(versions), dict[str, GateDecision]()
    for number, (learner, candidate) in enumerate(versions.items(), start=ledger.decisions + 1):
        incumbent = version_of(context.folder, ledger, learner, ledger.incumbent(learner))
        found = decide(_measured(after, candidate, incumbent), config, number)
        if found.verdict is GateVerdict.REFUSED and config.on_reject is OnReject.BACK:
            found, goes_on[learner] = replace(found, goes_on=incumbent.name), incumbent
        gates[learner] = found
    for learner, version in goes_on.items():
        if version.name != versions[learner].name:
            context.trainer.load_weights(learner, version.folder)
    return replace(line, gates=gates), goes_on


def version_of(folder: Path, ledger: Ledger, learner: str, name: str) -> Version:
    """Return a version of the ledger by its name."""
    return Version(learner, name, ledger.made(learner, name).digest, folder / "versions" / name)


def _measured(context: UpdateContext, candidate: Version, incumbent: Version) -> GateMeasures:
    config, decisions, invalid = gate_of(context.config), 0, 0
    partners = (COMPANY, *config.held_out)
    games = {each: graphs_with(context.plan, candidate.learner, each) for each in partners}
    computed = {each: graphs for each, graphs in games.items() if graphs is not None}
    found = exact_differences(context, candidate, incumbent, computed) if computed else {}
    for partner in [each for each in partners if each not in found]:
        found[partner], arm = played_differences(context, candidate, incumbent, partner)
        decisions, invalid = decisions + arm.decisions, invalid + arm.invalid
    return GateMeasures(
        candidate.name,
        incumbent.name,
        company=found[COMPANY],
        held_out=[found[each] for each in config.held_out],
        invalid=invalid / decisions if decisions else 0.0,
        exploitability=None
        if config.max_exploitability is None
        else exploitability_of(context.plan, context.trainer, candidate.learner),
    )

"""Who is measured, and who they play with: focal and background players, as in Melting Pot. Pure.

| population | its players                                                              |
|------------|--------------------------------------------------------------------------|
| resident   | focal players, and one background player that visits                     |
| visitor    | one focal player that visits, background players in all other seats      |

Each population has the seats and the teams of the scenario. Focal players have the seats that the scenario gives them;
copies of them, in turn, fill the other seats of a resident population. The figure is the per-capita return of the focal
players: their mean payoff in an episode. A background is a scripted policy, or a row of the roster that is not focal.
No prompt shows the part of a player, and a scripted background player is called `other`.

Sources: Leibo et al., Scalable Evaluation of Multi-Agent Reinforcement Learning with Melting Pot, ICML 2021; Agapiou
et al., Melting Pot 2.0, arXiv 2211.13746 (2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from agents.players.policies import POLICIES
from agents.problems import UsageError, nearest
from agents.role import PopulationPart
from agents.roster import ModelConfig, Roster
from agents.roster_rules import clone_ids
from simulation.plan import Plan

BACKGROUND_ID = "other"
"""The model id of a scripted background player: its policy's name would show the others what to expect."""


class Population(str, Enum):
    """The two kinds of population, see the table above."""

    RESIDENT = "resident"
    VISITOR = "visitor"


@dataclass(frozen=True)
class Declaration:
    """Who is focal, and in which backgrounds.

    Attributes:
        focal: Model ids of the roster.
        backgrounds: Policies, or other model ids.
        populations: The kinds to play; with two seats there is no resident population, as it has no majority.
    """

    focal: tuple[str, ...]
    backgrounds: tuple[str, ...]
    populations: tuple[Population, ...] = tuple(Population)


def population_plans(plan: Plan, declared: Declaration) -> Mapping[str, Plan]:
    """One plan per kind and background, of visitors also per focal player; named like `visitor/ada/grim`.

    Raises:
        UsageError: The declaration does not fit the scenario.
        InvalidFileError: A population cannot play the game.
    """
    players = plan.roster.expand()
    rows = {row.model_id: row for row in players}
    _check(plan, declared, rows)
    found: dict[str, Plan] = {}
    for name in dict.fromkeys(declared.backgrounds):
        background = _background(name, rows)
        for arm, seated in _populations(players, declared, background):
            roster = plan.roster.model_copy(update={"models": seated})
            found[f"{arm}/{name}"] = replace(plan, roster=Roster.model_validate(roster.model_dump()))
    return found


def _check(plan: Plan, declared: Declaration, rows: Mapping[str, ModelConfig]) -> None:
    if not declared.focal or not declared.backgrounds:
        raise UsageError("name at least one focal model (--focal MODEL_ID) and one background (--background POLICY)")
    for name in declared.focal:
        if name not in rows:
            raise UsageError(f"--focal {name}: the roster has no such model ({nearest(name, tuple(rows))})")
    for name in declared.backgrounds:
        if name in declared.focal:
            raise UsageError(f"--background {name}: it is focal; name another model or a policy")
        if name not in rows and name not in POLICIES:
            known = (*POLICIES, *rows)
            raise UsageError(f"--background {name}: neither a policy nor a model ({nearest(name, known)})")
    if declared.populations == (Population.RESIDENT,) and len(rows) < 3:
        raise UsageError(f"a resident population is a majority: it needs 3 seats; the scenario has {len(rows)}")
    if not isinstance(plan.scenario.communication.topology, str):
        raise UsageError("the topology names the models of the scenario; add: --set communication.topology=complete")


def _background(name: str, rows: Mapping[str, ModelConfig]) -> ModelConfig:
    row = rows.get(name) or ModelConfig(model_id=BACKGROUND_ID, policy=name)
    return row.model_copy(update={"part": PopulationPart.BACKGROUND})


def _populations(
    players: Sequence[ModelConfig], declared: Declaration, background: ModelConfig
) -> Iterator[tuple[str, tuple[ModelConfig, ...]]]:
    """Each population's name and its players."""
    focal = {row.model_id: row.model_copy(update={"part": PopulationPart.FOCAL}) for row in players}
    focal = {model_id: focal[model_id] for model_id in dict.fromkeys(declared.focal)}
    if Population.RESIDENT in declared.populations and len(players) >= 3:
        yield Population.RESIDENT.value, seated(players, _residents(players, focal, background))
    if Population.VISITOR in declared.populations:
        for model_id, row in focal.items():
            rows = [row if player.model_id == model_id else background for player in players]
            yield f"{Population.VISITOR.value}/{model_id}", seated(players, rows)


def _residents(
    players: Sequence[ModelConfig], focal: Mapping[str, ModelConfig], background: ModelConfig
) -> list[ModelConfig]:
    """Who has each seat: the visitor has the last seat without a focal player, or the last seat of all."""
    free = [seat for seat, player in enumerate(players) if player.model_id not in focal] or [len(players) - 1]
    rows = [focal.get(player.model_id) for player in players]
    rows[free[-1]] = background
    copies = list(focal.values())
    for turn, seat in enumerate(seat for seat, row in enumerate(rows) if row is None):
        rows[seat] = copies[turn % len(copies)]
    return [row for row in rows if row is not None]


def seated(seats: Sequence[ModelConfig], rows: Sequence[ModelConfig]) -> tuple[ModelConfig, ...]:
    """`rows` in `seats`: each gets the seat's team; a row in several seats is numbered as its `count` would."""
    times = Counter(row.model_id for row in rows)
    names = {model_id: iter(clone_ids(model_id, count)) for model_id, count in times.items()}
    return tuple(
        row.model_copy(update={"model_id": next(names[row.model_id]), "team_id": seat.team_id})
        for seat, row in zip(seats, rows, strict=True)
    )

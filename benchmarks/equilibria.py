"""Hold every game's `nash`, `optimum` and accuracy by brute force over random small instances.

python -m benchmarks.equilibria          # writes docs/explanation/equilibria.md; takes minutes
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from agents.language import Language
from benchmarks.measure import ROOT
from simulation.games import find_game, task_types
from simulation.games.base import Game, Setting
from simulation.games.equilibria import TOLERANCE, EquilibriumClaim, GameSearch, search
from simulation.seats import Seat

PAGE = ROOT / "docs" / "explanation" / "equilibria.md"
BOUNDS = frozenset({"commons"})
"""Games whose docstring says that their optimum is an upper bound."""
CLAIMS = {
    "commons": EquilibriumClaim.FROM_THE_START,
    "auction": EquilibriumClaim.BY_OBSERVATION,
    "estimation": EquilibriumClaim.BY_OBSERVATION,
    "kuhn_poker": EquilibriumClaim.BY_OBSERVATION,
    "signalling": EquilibriumClaim.BY_OBSERVATION,
}
"""What the named profile is claimed to be, if it is not subgame-perfect for players who know everything."""
WORDS = {"strategy": ("we cooperate", "cooperate and compete")}
"""What a player may say in a game that scores words; the last is the best."""
JOINT_ACTIONS = 81
"""The most joint actions of a step in an instance of the test; the command takes more."""

INSTANCES = 60
"""The number of instances per game that the command takes."""
PAGE_TEXT = """# Equilibria, held by brute force

`python -m benchmarks.equilibria` writes this page. It takes {count} random small instances of the games (legal
parameters, few actions) and searches each completely ({seconds:.0f} s): every deal of the game's random numbers, and
every state that any sequence of legal actions reaches. A part of it runs with the tests.

- **gain**: the most that a player gains by leaving the profile of `nash` while the others play it. For most games
  this is any one action in any state, and the player knows the whole state; a profile without such a gain is a
  subgame-perfect equilibrium. In `auction`, `estimation` and `kuhn_poker` players decide by what they
  observe. In `commons` the claim is about the whole episode only.
- **nash error**: `nash` less the expected welfare of that profile. `with a nash` is the number of instances where the
  game names an equilibrium; elsewhere `nash` is missing, never another number. The games' pages say where.
- **optimum error**: `optimum` less the largest welfare that legal actions reach. In `commons` the optimum is an upper
  bound, for harvests of any amount; there the error is how far the menu of harvests stays below it.
- **accuracy error**: the largest difference between an accuracy and its definition, for the accuracies that are a
  closeness to a best response or to a subgame-perfect decision.

In `blotto` every outcome has the same welfare, so that of any equilibrium is known without naming one (a finite game
has one: Nash, Annals of Mathematics 54, 1951). In `strategy` players choose words, not actions.
"""

Draw = Callable[[random.Random], dict[str, Any]]
Rng = random.Random


def _menu(rng: Rng, low: int, high: int, most: int = 3) -> tuple[int, ...]:
    return tuple(rng.sample(range(low, high + 1), rng.randint(2, most)))


def _ordered(rng: Rng, *names: str) -> dict[str, float]:
    """Return four different payoffs, the largest for the first name; some are negative, `reward` never."""
    values = sorted(rng.sample(range(-6, 10), len(names)), reverse=True)
    shift = max(0, 1 - values[1])
    return {name: float(value + shift) for name, value in zip(names, values, strict=True)}


def _stag_hunt(rng: Rng) -> dict[str, float]:
    values = sorted(rng.sample(range(-6, 10), 3), reverse=True)
    together, hares, lone = (float(value + max(0, 1 - values[0])) for value in values)
    safe = rng.choice((hares, (together + hares) / 2))
    return {"together": together, "lone_hare": safe, "hares": hares, "lone_stag": lone}


def _public_goods(rng: Rng) -> dict[str, Any]:
    multiplier = rng.choice((0.5, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 5.0))
    return {"endowment": 12.0, "multiplier": multiplier, "contributions": _menu(rng, 0, 12)}


def _punishment(rng: Rng) -> dict[str, Any]:
    fines = {"cost": rng.choice((0.0, 1.0, 2.5)), "fine": rng.choice((0.0, 3.0, 6.0))}
    return _public_goods(rng) | {"contributions": _menu(rng, 0, 12, 2)} | fines


def _commons(rng: Rng) -> dict[str, Any]:
    capacity = float(rng.choice((6, 20, 33)))
    return {
        "capacity": capacity,
        "growth": rng.choice((1.0, 1.5, 2.0, 3.0)),
        "collapse_below": rng.choice((0.0, 2.0, capacity / 4)),
        "harvests": _menu(rng, 0, 12),
    }


def _trust(rng: Rng) -> dict[str, Any]:
    returns = tuple(rng.sample((0.0, 0.5, 1.0, 1.25, 1.5), rng.randint(2, 3)))
    return {"endowment": 10.0, "multiplier": rng.choice((1.5, 3.0)), "sends": _menu(rng, 0, 10), "returns": returns}


def _coordination(rng: Rng) -> dict[str, Any]:
    names = ("dovu", "kemi", "rast")[: rng.randint(2, 3)]
    return {"names": names, "match": 2.0, "mismatch": rng.choice((-1.0, 0.0, 0.5)), "memory": 1}


def _matrix(rng: Rng) -> dict[str, Any]:
    roles = rng.choice((2, 2, 2, 3))
    sizes = [rng.randint(2, 3) for _ in range(roles)]
    few = rng.choice((2, 9))  # few different payoffs: many ties
    cell = rng.choice((lambda: rng.randint(-few, few), lambda: [rng.randint(0, few) for _ in range(roles)]))
    if roles > 2:
        cell = lambda: [rng.randint(0, few) for _ in range(roles)]  # noqa: E731
    actions = {f"role{role}": [f"act{number}" for number in range(size)] for role, size in enumerate(sizes)}
    return {"actions": actions, "payoffs": _nested(sizes, cell)}


def _nested(sizes: Sequence[int], cell: Callable[[], Any]) -> Any:
    return [_nested(sizes[1:], cell) for _ in range(sizes[0])] if sizes else cell()


def _beauty_contest(rng: Rng) -> dict[str, Any]:
    return {"guesses": _menu(rng, 0, 20), "factor": rng.choice((0.3, 0.5, 2 / 3, 0.95)), "prize": 6.0}


def _profile(rng: Rng) -> dict[str, Any]:
    hidden = rng.choice((0.0, 0.25, 0.75, 1.0))
    return {"options": rng.randint(2, 3), "private_facts": rng.randint(2, 3), "hidden": hidden}


def _opinion(rng: random.Random) -> dict[str, Any]:
    high, pays = rng.randint(2, 4), rng.choice(("none", "agreement", "truth"))
    return {"high": high, "pays": pays, "truth": rng.randint(1, high) if pays == "truth" else None}


DRAWS: Mapping[str, Draw] = {
    "auction": lambda rng: {"pricing": rng.choice(("first", "second")), "highest": rng.randint(1, 3)},
    "bargaining": lambda rng: {
        "pie": 60.0,
        "discount": rng.choice((0.3, 0.5, 0.8, 1.0)),
        "offers": tuple(rng.sample(range(0, 101, 5), rng.randint(2, 4))),
    },
    "beauty_contest": _beauty_contest,
    "blotto": lambda rng: {"force": rng.randint(1, 3), "fields": 2},
    "chicken": lambda rng: _ordered(rng, "temptation", "reward", "sucker", "crash"),
    "commons": _commons,
    "coordination": _coordination,
    "estimation": lambda rng: {"highest": rng.randint(1, 4), "noise": rng.randint(0, 2)},
    "hidden_profile": _profile,
    "kuhn_poker": lambda rng: {"stake": rng.choice((0.5, 1.0, 3.0))},
    "matrix_game": _matrix,
    "minority": lambda _rng: {},
    "opinion": _opinion,
    "prisoners_dilemma": lambda rng: _ordered(rng, "temptation", "reward", "punishment", "sucker"),
    "public_goods": _public_goods,
    "public_goods_punishment": _punishment,
    "signalling": lambda rng: {"places": ("east", "west", "north")[: rng.randint(2, 3)]},
    "social_network": lambda rng: {"platform": rng.choice(("twitter", "reddit"))},
    "stag_hunt": _stag_hunt,
    "strategy": lambda _rng: {},
    "trust": _trust,
    "ultimatum": lambda rng: {"pie": 10.0, "offers": _menu(rng, 0, 10, 4)},
}
"""For each game, a draw of legal parameters with a few actions."""


def instances(task_type: str, seed: int, joint_actions: int = JOINT_ACTIONS) -> Iterator[Game[Any]]:
    """Yield random legal instances of a game, without end: 1-4 players, 1-3 steps, few actions."""
    rng, kind = Rng(f"{task_type}|{seed}"), find_game(task_type)
    while True:
        count, steps = rng.randint(1, 4), rng.randint(1, 3)
        teams = rng.choice((None, ("red", "blue")))
        seats = tuple(Seat(f"m{i}", teams[i % 2] if teams else None) for i in range(count))
        setting, parameters = Setting(seats, steps, rng.random()), kind.Parameters(**DRAWS[task_type](rng))
        if not kind.refuse(setting, parameters) and _small(game := kind(setting, parameters), joint_actions):
            yield game


def _small(game: Game[Any], joint_actions: int) -> bool:
    """Return whether an exhaustive search of the game takes no more than some seconds."""
    state, joint = game.start(Rng(1)), len(WORDS.get(game.task_type, ("",))) ** game.players
    for player in range(game.players):
        joint *= len(game.observe(state, player, Language.EN).options)
    if game.task_type == "public_goods_punishment":
        joint = max(joint, game.players**game.players)  # in its second step each punishes one other or none
    draws, p = 1, game.parameters
    if game.task_type == "auction":
        draws = (p.highest + 1) ** game.players
    if game.task_type == "kuhn_poker":
        draws = 6 ** (game.players // 2 * game.hands())  # type: ignore[attr-defined]
    if game.task_type == "signalling":
        draws = len(p.places) ** (game.players // 2)
    if game.task_type == "estimation":
        draws = (p.highest + 1) * (2 * p.noise + 1) ** game.players
    return joint <= joint_actions and (draws * joint) ** game.setting.max_steps <= 300 * joint_actions


@dataclass(frozen=True)
class Held:
    """What was found of one game, for one number of players and of steps."""

    game: str
    players: int
    steps: int
    instances: int
    named: int
    gain: float
    nash: float
    optimum: float
    accuracy: float


def held(searches: Sequence[GameSearch]) -> Held:
    """Return the largest errors of instances of the same game, players and steps."""
    game = searches[0].game
    named = [each for each in searches if not isnan(each.game.nash())]
    claim = CLAIMS.get(game.task_type, EquilibriumClaim.SUBGAME_PERFECT)
    return Held(
        game.task_type,
        game.players,
        game.setting.max_steps,
        len(searches),
        len(named),
        max((each.gained(claim) for each in named), default=0.0),
        max((abs(each.game.nash() - each.welfare) for each in named), default=0.0),
        max(abs(each.game.optimum() - each.optimum) for each in searches),
        max(each.inaccurate for each in searches),
    )


def searched(game: Game[Any]) -> GameSearch:
    """Return the exhaustive search of an instance."""
    return search(game, WORDS.get(game.task_type, ("",)))


def problems(found: GameSearch) -> tuple[str, ...]:
    """Return a sentence for each claim of an instance that the search refutes."""
    name = found.game.task_type
    return found.problems(CLAIMS.get(name, EquilibriumClaim.SUBGAME_PERFECT), bound=name in BOUNDS)


def measured(count: int, joint_actions: int) -> list[Held]:
    """Return what was found of `count` random instances of every game, by game, players and steps."""
    found: dict[tuple[str, int, int], list[GameSearch]] = {}
    for task_type in task_types():
        for game in itertools.islice(instances(task_type, seed=2, joint_actions=joint_actions), count):
            found.setdefault((task_type, game.players, game.setting.max_steps), []).append(searched(game))
        sys.stderr.write(f"{task_type}: {count} instances\n")
    return [held(found[key]) for key in sorted(found)]


def page(rows: Sequence[Held], seconds: float) -> str:
    """Return the page, made from the figures alone."""
    lines = [PAGE_TEXT.format(count=sum(row.instances for row in rows), seconds=seconds)]
    heads = ("game", "players", "steps", "instances", "with a nash", "gain", "nash error", "optimum error")
    lines += [f"| {' | '.join((*heads, 'accuracy error'))} |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        counts = f"{row.players} | {row.steps} | {row.instances} | {row.named}"
        errors = (_figure(each) for each in (row.gain, row.nash, row.optimum, row.accuracy))
        lines.append(f"| `{row.game}` | {counts} | {' | '.join(errors)} |")
    return "\n".join(lines) + "\n"


def _figure(error: float) -> str:
    return "0" if abs(error) <= TOLERANCE else f"{error:.3g}"


if __name__ == "__main__":
    began = time.perf_counter()
    everything = measured(INSTANCES, 4 * JOINT_ACTIONS)
    PAGE.write_text(page(everything, time.perf_counter() - began), encoding="utf-8")

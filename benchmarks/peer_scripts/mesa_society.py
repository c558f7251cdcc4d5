"""The work of a step in Mesa: hear neighbours, send a message, give or keep, get a payoff. Without our code.

    python mesa_society.py --agents 1000 --steps 20

There is no language model, prompt or log: agents follow rules. It prints the seconds of every step as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings

import networkx as nx
from mesa import Model
from mesa.discrete_space import FixedAgent, Network

DEGREE, REWIRE, SEED = 10, 0.1, 0
ENDOWMENT, MULTIPLIER = 10, 1.6
POLICIES = ("cooperator", "defector", "reciprocator")


class Player(FixedAgent):
    """An agent; `said` is its last message, `heard` those of its neighbours."""

    def __init__(self, model: Society, policy: str) -> None:
        super().__init__(model)
        self.policy = policy
        self.said = ""
        self.heard: list[str] = []
        self.gives, self.points = True, 0.0

    def meet(self) -> None:
        self.neighbours = list(self.cell.neighborhood.agents)  # once: Mesa looks them up at every call

    def hear(self) -> None:
        self.heard = [neighbour.said for neighbour in self.neighbours]

    def talk(self) -> None:
        self.said = f"Player {self.unique_id} will {'give' if self._plan() else 'keep'}."
        self.model.messages += 1

    def decide(self) -> None:
        self.gives = self._plan()
        self.model.total += ENDOWMENT if self.gives else 0

    def earn(self) -> None:
        self.points += self.model.share + (0 if self.gives else ENDOWMENT)

    def _plan(self) -> bool:
        if self.policy != "reciprocator":
            return self.policy == "cooperator"
        return 2 * sum("keep" in said for said in self.heard) <= len(self.heard)


class Society(Model):
    def __init__(self, n: int) -> None:
        super().__init__(seed=SEED)
        graph = nx.watts_strogatz_graph(n, min(DEGREE, n - 1), REWIRE, seed=SEED)
        space = Network(graph, capacity=1, random=self.random)
        for number, cell in enumerate(space.all_cells):
            Player(self, POLICIES[number % len(POLICIES)]).cell = cell
        self.messages, self.total, self.share = 0, 0.0, 0.0
        self.agents.do("meet")

    def step(self) -> None:
        """Let all agents act, phase by phase, as in ours."""
        self.total = 0.0
        for phase in ("hear", "talk", "decide"):
            self.agents.do(phase)
        self.share = MULTIPLIER * self.total / len(self.agents)
        self.agents.do("earn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    society, seconds = Society(options.agents), []
    for _ in range(options.steps):
        began = time.perf_counter()
        society.step()
        seconds.append(time.perf_counter() - began)
    points = sum(player.points for player in society.agents)
    json.dump({"seconds": seconds, "calls": 0, "messages": society.messages, "points": points}, sys.stdout)


if __name__ == "__main__":
    main()

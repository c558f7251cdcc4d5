"""The work of a step in Concordia: observe neighbours, send a message, give or keep, get a payoff. Without our code.

    python concordia_society.py --agents 100 --steps 3 --url http://127.0.0.1:8000/v1

Its simultaneous engine lets all entities act at the same time, in a thread each. The entities have the components of
its minimal prefab, with a plain list as memory. The game master is a rule that calls no model. So a step is two rounds
of the engine and two calls per agent. It prints the seconds of every step as JSON.
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import networkx as nx
from concordia.agents.entity_agent import EntityAgent
from concordia.components import agent as components
from concordia.environment.engine import action_spec_to_string
from concordia.environment.engines.simultaneous import Simultaneous
from concordia.language_model.language_model import LanguageModel
from concordia.typing.entity import BINARY_OPTIONS, ActionSpec, Entity, OutputType

DEGREE, REWIRE, SEED = 10, 0.1, 0
ENDOWMENT, MULTIPLIER = 10, 1.6
ADAPTERS = ("cooperator", "defector", "reciprocator")
GIVE, KEEP = "give", "keep"
RULES = "All hold points and may give them to an account, which is multiplied by 1.6 and shared by all alike."
TALK = ActionSpec(call_to_action="What does {name} tell the others?", output_type=OutputType.FREE)
DECIDE = f"prompt: Does {{name}} give or keep its points?;;type: choice options: {GIVE},{KEEP}"


class Server(LanguageModel):
    """A model served over HTTP; it reuses its connections, one for each concurrent call."""

    def __init__(self, url: str, adapter: str, idle: queue.LifoQueue[http.client.HTTPConnection]) -> None:
        parts = urlsplit(url)
        self._address, self._path = parts.netloc, f"{parts.path}/chat/completions"
        self._adapter, self._idle = adapter, idle
        self._counting, self.calls = threading.Lock(), 0

    def sample_text(
        self,
        prompt: str,
        *,
        max_tokens: int = 64,
        terminators: Collection[str] = (),
        temperature: float = 0.7,
        timeout: float = 60,
        seed: int | None = None,
    ) -> str:
        del terminators, timeout, seed
        return self._ask(prompt, min(max_tokens, 64), temperature)

    def sample_choice(
        self, prompt: str, responses: Sequence[str], *, seed: int | None = None
    ) -> tuple[int, str, Mapping[str, Any]]:
        """Pick the first response if the reply says "cooperate", else the last: the server never sends a letter."""
        del seed
        chosen = 0 if "cooperate" in self._ask(prompt, 64, 0.7) else len(responses) - 1
        return chosen, responses[chosen], {}

    def _ask(self, prompt: str, max_tokens: int, temperature: float) -> str:
        messages = [{"role": "user", "content": prompt}]
        sampling = {"temperature": temperature, "top_p": 1.0, "max_tokens": max_tokens}
        body = json.dumps({"model": self._adapter, "messages": messages, **sampling})
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = http.client.HTTPConnection(self._address, timeout=60)
        connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        self._idle.put(connection)
        with self._counting:
            self.calls += 1
        return str(answer["choices"][0]["message"]["content"])


class Referee(Entity):
    """A game master by rule: every second round is for decisions, and all get their payoffs after it."""

    name = "referee"

    def __init__(self, names: Sequence[str], graph: nx.Graph[int]) -> None:
        self._names = names
        self._neighbours = {names[i]: [names[j] for j in graph.neighbors(i)] for i in range(len(names))}
        self._said = dict.fromkeys(names, "")
        self._talking, self._happened = True, ""
        self.points = dict.fromkeys(names, 0.0)
        self.messages, self.ended = 0, [time.perf_counter()]

    def observe(self, observation: str) -> None:
        self._happened = observation

    def act(self, action_spec: ActionSpec = TALK) -> str:
        match action_spec.output_type:
            case OutputType.TERMINATE:
                return BINARY_OPTIONS["negative"]
            case OutputType.NEXT_ACTING:
                return ",".join(self._names)
            case OutputType.NEXT_ACTION_SPEC:
                return action_spec_to_string(TALK) if self._talking else DECIDE
            case OutputType.MAKE_OBSERVATION:
                return self._observation(action_spec.call_to_action)
            case OutputType.RESOLVE:
                return self._resolve()
        raise ValueError(f"a referee is not asked for {action_spec.output_type}")

    def _observation(self, call: str) -> str:
        """Return what entity `call` observes: its neighbours' messages before talking, its points before deciding."""
        if not self._talking:
            return f"{call} has {self.points[call]:.1f} points."
        return "\n".join(f"{name}: {self._said[name]}" for name in self._neighbours[call])

    def _resolve(self) -> str:
        lines = self._happened.removeprefix("[putative_event] ").split("\n")
        replies = dict(line.split(": ", 1) for line in lines)
        if self._talking:
            self.messages += len(replies)
            self._said.update(replies)
        else:
            self._settle(replies)
        self._talking = not self._talking
        return "done"

    def _settle(self, chosen: dict[str, str]) -> None:
        given = {name: ENDOWMENT if choice == GIVE else 0 for name, choice in chosen.items()}
        share = MULTIPLIER * sum(given.values()) / len(self._names)
        for name in self._names:
            self.points[name] += ENDOWMENT - given[name] + share
        self.ended.append(time.perf_counter())


def entity(name: str, model: LanguageModel) -> EntityAgent:
    """Build the components of concordia.prefabs.entity.minimal, without an embedder."""
    observation = components.observation
    parts = {
        "Instructions": components.constant.Constant(state=RULES, pre_act_label="Instructions"),
        "observation_to_memory": observation.ObservationToMemory(),
        observation.DEFAULT_OBSERVATION_COMPONENT_KEY: observation.LastNObservations(history_length=2),
        components.memory.DEFAULT_MEMORY_COMPONENT_KEY: components.memory.ListMemory(memory_bank=[]),
    }
    act = components.concat_act_component.ConcatActComponent(
        model=model, component_order=list(parts), prefix_entity_name=False, randomize_choices=False
    )
    return EntityAgent(agent_name=name, act_component=act, context_components=parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--url", required=True)
    options = parser.parse_args()
    idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
    models = [Server(options.url, adapter, idle) for adapter in ADAPTERS]
    names = [f"m{number}" for number in range(options.agents)]
    entities = [entity(name, models[number % len(models)]) for number, name in enumerate(names)]
    graph = nx.watts_strogatz_graph(options.agents, min(DEGREE, options.agents - 1), REWIRE, seed=SEED)
    referee = Referee(names, graph)
    engine = Simultaneous(call_to_make_observation="{name}")
    referee.ended = [time.perf_counter()]
    engine.run_loop([referee], entities, max_steps=2 * options.steps)
    seconds = [after - before for before, after in zip(referee.ended, referee.ended[1:], strict=False)]
    found = {"seconds": seconds, "calls": sum(model.calls for model in models), "messages": referee.messages}
    json.dump({**found, "points": sum(referee.points.values())}, sys.stdout)


if __name__ == "__main__":
    main()

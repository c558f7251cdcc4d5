"""What a gradient step of the trainer and an update of a training cost, on SmolLM2-135M with the product's own prompts.

    python -m benchmarks.learning             # some minutes on two cores
    python -m benchmarks.learning --quick     # one repetition

Two ratios of turns of one run on one machine, and two figures of a training by the method exact: the dilemma of two
learners, whose end is hidden.

| figure | over | goal |
|---|---|---|
| a step on 8 prompts of one learner, whose beginning is computed once | peft on the padded batch | at most 0.6 |
| a step of 8 learners together | one learner at equal tokens | at most 1.25 |
| an update, in seconds on the clock | | at most 12 s on two idle cores |
| an update without the trainer's computing: samples, versions, ledger | the whole update | at most 0.02 |
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import orjson

from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.embedded.model_store import pull
from agents.inference.provenance import ChatMessage
from agents.learning.adapters import AdapterStart
from agents.learning.samples import LossWeights, Prompt, Sample
from agents.learning.trainer import LoRATrainer
from agents.roster import Roster
from benchmarks.__main__ import show
from benchmarks.goals import Result
from benchmarks.measure import machine, turns
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.training import run
from simulation.training.methods.exact import graphs_of

OUT = Path(__file__).parent / "results" / "learning.json"
ROWS = 8
LEARNERS = tuple(f"learner_{number}" for number in range(ROWS))
RANK = 8
COMPUTING = ("probabilities", "forward_backward", "optim_step")
Step = Callable[[], object]


def decision_prompts() -> list[Prompt]:
    """Return eight prompts of one learner in the repeated prisoner's dilemma; they begin alike."""
    roster = {
        "name": "bench",
        "models": [{"model_id": LEARNERS[0], "policy": "tabular"}, {"model_id": "bo", "policy": "tit_for_tat"}],
    }
    scenario = {
        "name": "bench",
        "mode": "competitive",
        "tasks": [{"task_id": "pd", "task_type": "prisoners_dilemma", "max_steps": 5}],
        "communication": {"talk_rounds": 0},
        "training": {"learners": {LEARNERS[0]: {}}, "method": "exact"},
    }
    (graph,) = graphs_of(Plan(Scenario.model_validate(scenario), Roster.model_validate(roster)))
    return [cell.prompt for cell in graph.cells][-ROWS:]


def own_step(trainer: LoRATrainer, prompts: Sequence[Prompt]) -> Step:
    samples = [Sample(prompt, values=(1.0, 2.0)) for prompt in prompts]

    def step() -> None:
        figures = trainer.forward_backward(samples, LossWeights())
        for learner in figures:
            trainer.optim_step(learner)

    return step


def peft_step(prompts: Sequence[Prompt]) -> Step:
    """The same loss by peft: left-padded prompts, and logits of the last position only."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = pull()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    layers = ["q_proj", "k_proj", "v_proj", "o_proj"]
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=layers, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), config)
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=1e-3)
    chats = [[{"role": each.role, "content": each.content} for each in prompt.messages] for prompt in prompts]
    texts = [tokenizer.apply_chat_template(chat, add_generation_prompt=True) for chat in chats]
    width = max(map(len, texts))
    ids = torch.tensor([[tokenizer.eos_token_id] * (width - len(text)) + text for text in texts])
    mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts])
    firsts = [tokenizer.encode(choice, add_special_tokens=False)[0] for choice in prompts[0].choices]
    assert len(set(firsts)) == len(firsts)  # so the first token decides

    def step() -> None:
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=1).logits[:, -1, firsts]
        loss = -(logits.softmax(1) @ torch.tensor([1.0, 2.0])).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def apart(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return prompts that share no beginning: one learner then computes as many tokens as eight learners."""
    return [replace(prompt, messages=_marked(prompt, number)) for number, prompt in enumerate(prompts)]


def _marked(prompt: Prompt, number: int) -> tuple[ChatMessage, ...]:
    first, *others = prompt.messages
    return (replace(first, content=f"{'ABCDEFGH'[number]} {first.content}"), *others)


def ratios(steps: dict[str, Step], repetitions: int) -> tuple[tuple[float, ...], dict[str, float]]:
    """Return the first step's time over the second's by repetition, and the least seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()  # the first one also loads
    for _, name in turns(list(steps), repetitions):
        began = time.process_time()
        steps[name]()
        seconds[name].append(time.process_time() - began)
    first, second = seconds.values()
    return tuple(a / b for a, b in zip(first, second, strict=True)), {name: min(each) for name, each in seconds.items()}


@dataclass
class TimedTrainer:
    """A trainer whose computing is timed; what it writes and loads is not."""

    trainer: LoRATrainer
    seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.trainer, name)
        return self._timed(found) if name in COMPUTING else found

    def _timed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*arguments)
            finally:
                self.seconds += time.perf_counter() - began

        return call


def hidden_end() -> Plan:
    """Return a training of two adapters in the dilemma whose end is hidden: five situations a learner."""
    rows = [{"model_id": name, "model_name": MODEL_ID.split("/")[-1]} for name in ("ann", "bo")]
    horizon = {"continue": 0.9, "at_most": 50, "announced": False}
    scenario = {
        "name": "bench",
        "mode": "competitive",
        "tasks": [{"task_id": "pd", "task_type": "prisoners_dilemma", "horizon": horizon}],
        "communication": {"talk_rounds": 0},
        "training": {"learners": {"ann": {}, "bo": {}}, "method": "exact"},
    }
    roster = {"name": "bench", "base_model": MODEL_ID.split("/")[-1], "models": rows}
    return Plan(Scenario.model_validate(scenario), Roster.model_validate(roster))


def updates_of(plan: Plan, updates: int) -> tuple[list[float], list[float], list[float]]:
    """Train; return of each update the seconds on the clock, its CPU seconds, and its seconds without computing."""
    timed = TimedTrainer(run.trainer_of(plan))
    moments: list[tuple[float, float, float]] = []

    def note(_line: object) -> None:
        moments.append((time.perf_counter(), time.process_time(), timed.seconds))

    with TemporaryDirectory() as out, mock.patch.object(run, "trainer_of", return_value=timed):
        run.train(run.begin_training(plan, out), updates=updates, on_update=note)
    wall, cpu, computing = ([b - a for a, b in pairwise(each)] for each in zip(*moments, strict=True))
    return wall, cpu, [whole - part for whole, part in zip(wall, computing, strict=True)]


def training_results(quick: bool) -> list[Result]:
    plan = hidden_end()
    wall, cpu, other = updates_of(plan, 1 if quick else 5)
    shares = tuple(part / whole for part, whole in zip(other, wall, strict=True))
    (graph,) = graphs_of(plan)
    detail = f"{len(graph.cells)} prompts of two learners; {min(cpu):.3g} CPU s at least"
    least = f"{min(other) * 1000:.3g} ms at least: values, samples, two versions and a synced line"
    return [
        Result("an update of two learners by exact", "s", tuple(wall), 12, True, detail),
        Result("an update's share without computing", "of its time", shares, 0.02, True, least),
    ]


def measured(quick: bool) -> list[Result]:
    repetitions = 1 if quick else 5
    prompts = decision_prompts()
    trainer = LoRATrainer(MODEL_ID, dict.fromkeys(LEARNERS, AdapterStart(RANK)), device="cpu")
    results = []
    shared = {"packed": own_step(trainer, prompts), "peft": peft_step(prompts)}
    each = [replace(prompt, learner=name) for prompt, name in zip(apart(prompts), LEARNERS, strict=True)]
    several = {"eight": own_step(trainer, each), "one": own_step(trainer, apart(prompts))}
    for name, steps, goal in (
        ("a step on 8 prompts over peft's", shared, 0.6),
        ("a step of 8 learners over one's", several, 1.25),
    ):
        found, least = ratios(steps, repetitions)
        detail = ", ".join(f"{key} {value:.3g} CPU s" for key, value in least.items())
        results.append(
            Result(name, "x", found, goal, True, f"{detail}; prompts of {_lengths(trainer, prompts)} tokens")
        )
    return [*results, *training_results(quick)]


def _lengths(trainer: LoRATrainer, prompts: Sequence[Prompt]) -> str:
    figures = [trainer.forward_backward([Sample(prompt, values=(0, 0))], LossWeights()) for prompt in prompts[:1]]
    return str(figures[0][prompts[0].learner].tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    options = parser.parse_args()
    facts: dict[str, Any] = machine()
    results = measured(options.quick)
    show(results)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": facts, "load_after": machine()["load"], "results": [each.as_json() for each in results]}
    options.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    sys.stdout.write(f"{options.out}\n")


if __name__ == "__main__":
    main()

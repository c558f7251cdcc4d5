"""Messages are learned: in the signalling game payoffs without information are those of chance."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agents.inference.provenance import Purpose, Reply, Request
from agents.language import Language
from agents.learning.adapters import AdapterStart
from agents.learning.samples import LossWeights, Prompt, Trainer
from agents.learning.trainer import LoRATrainer
from agents.lora_model import Responder
from agents.prompts import EpisodeContext, HeardMessage, PlayerContext, chat, identity, system_prompt, user_prompt
from agents.roster import ModelConfig
from agents.strategy import TrainingMode, derive_strategy
from simulation import run_scenario
from simulation.games.base import Move, Setting
from simulation.games.signalling import Signalling
from simulation.plan import make_plan
from simulation.seats import Seat
from simulation.task import TrainingTask
from simulation.training.credit import LearnerAct, credited
from simulation.training.rollout import Capture, table_reply
from simulation.training.run import VERSIONS, trainer_of
from simulation.training.shipped import shipped_trainings
from simulation.training.start import train_scenario
from simulation.training.tables import Training
from tests.agents.learning.conftest import base  # noqa: F401  the tiny models

WORDS, PLACES = ("ba", "du"), ("north", "south")
FRESH = 200
CHANCE = pytest.approx(0.5, abs=0.11)  # 3 standard errors of 200 episodes


# -- tables, through the runner ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train_scenario("signalling_tables", out=tmp_path_factory.mktemp("tables"))


def fresh_payoff(training: Training, treatment: str, folder: Path) -> float:
    """The mean payoff of fresh episodes in which the tables do not learn."""
    trainer = trainer_of(training.plan)
    for name, made in training.ledger.lines[-1].learners.items():
        trainer.load_weights(name, training.path / VERSIONS / made.version)
    answers = {name: table_answer(trainer) for name in ("ann", "bo")}
    plan = make_plan(shipped_trainings()["signalling_tables"])
    changes = {"episodes": FRESH, "communication.treatment": treatment}
    run = run_scenario(plan.scenario, roster=plan.roster, seed=900, set=changes, out=folder, responders=answers)
    return float(run.outcomes["payoff"].mean())


def table_answer(trainer: Trainer) -> Responder:
    async def answer(request: Request) -> Reply:
        return table_reply(trainer, Capture(), request)

    return answer


@pytest.mark.parametrize(("treatment", "payoff"), [("delivered", pytest.approx(1, abs=0.05)), ("silenced", CHANCE)])
def test_tables_invent_two_words(training: Training, treatment: str, payoff: object, tmp_path: Path) -> None:
    first, last = training.updates.groupby("update")["value"].mean().iloc[[1, -1]]
    assert first == pytest.approx(0.5, abs=0.2)
    assert last > 0.9
    assert fresh_payoff(training, treatment, tmp_path) == payoff


# -- adapters of a tiny model ------------------------------------------------------------------------------


class Episode:
    """What was said and done, what each choice would have paid, and what was paid."""

    def __init__(self, acts: Sequence[LearnerAct], payoffs: Mapping[str, float], payoff: float) -> None:
        self.acts, self.payoffs, self.payoff = acts, payoffs, payoff


class Table:
    """The signalling game with the prompts of two adapters, played without the platform: an update takes no second."""

    def __init__(self) -> None:
        self.task = TrainingTask(task_id="t", task_type="signalling", max_steps=1)
        self.game = Signalling(Setting((Seat("ann"), Seat("bo")), 1))
        context = EpisodeContext(self.task, TrainingMode.COOPERATIVE, 1, self.game.rules(Language.EN), Language.EN)
        self.system = system_prompt(context)

    def prompt(self, who: str, text: str, purpose: Purpose, choices: Sequence[str], heard: str | None = None) -> Prompt:
        messages = () if heard is None else (HeardMessage("ann", None, heard),)
        row = ModelConfig(model_id=who, model_name=who)
        strategy = derive_strategy(row.role, self.task, TrainingMode.COOPERATIVE)
        own = PlayerContext(1, 1, identity(Language.EN, row, strategy), messages, text, tuple(choices))
        return Prompt(who, chat(self.system, user_prompt(purpose, Language.EN, own)), tuple(choices))

    def episodes(self, trainer: Trainer, rng: random.Random, count: int, shuffle: bool = False) -> Iterator[Episode]:
        """Play episodes; with `shuffle` each listener hears what was said in another one."""
        states = [self.game.start(random.Random(rng.random())) for _ in range(count)]
        look = partial(self.game.observation_text, language=Language.EN)
        asked = [self.prompt("ann", look(state, 0), Purpose.TALK, WORDS) for state in states]
        said = drawn(trainer, asked, rng)
        heard = rng.sample(said, count) if shuffle else said
        told = [
            self.prompt("bo", look(state, 1), Purpose.DECIDE, PLACES, word)
            for state, word in zip(states, heard, strict=True)
        ]
        for number, (state, gone) in enumerate(zip(states, drawn(trainer, told, rng), strict=True)):
            place = state.table.places[0][0]
            payoffs = {
                choice: self.game.resolve(state, [Move(place), Move(choice)]).tally.payoff[1] for choice in PLACES
            }
            acts = (
                LearnerAct(number, 0, asked[number], said[number], Purpose.TALK),
                LearnerAct(number, 0, told[number], gone),
            )
            yield Episode(acts, payoffs, payoffs[gone])


def drawn(trainer: Trainer, prompts: Sequence[Prompt], rng: random.Random) -> list[str]:
    chances = trainer.probabilities(prompts)
    return [rng.choices(prompt.choices, weights)[0] for prompt, weights in zip(prompts, chances, strict=True)]


def learned(place: Path, seed: int, most: int = 120) -> LoRATrainer:
    """Two adapters that learned for the payoff of both, from 512 episodes an update, until nearly all go right."""
    start = AdapterStart(rank=8, modules="all")
    trainer = LoRATrainer(str(place), {"ann": start, "bo": start}, learning_rate=5e-3, seed=seed, device="cpu")
    table, rng = Table(), random.Random(seed)
    for _ in range(most):
        episodes = list(table.episodes(trainer, rng, 512))
        if np.mean([episode.payoff for episode in episodes]) > 0.97:
            break
        acts = [act for episode in episodes for act in episode.acts]
        to_go = {act.where: episodes[act.episode].payoff for act in acts}
        worths = {(number, 0, "bo"): episode.payoffs for number, episode in enumerate(episodes)}
        credit = credited(acts, to_go, dict.fromkeys(range(512), "t"), {}, worths)
        trainer.forward_backward(credit.samples, LossWeights(entropy=0.15))
        for name in ("ann", "bo"):
            trainer.optim_step(name)
    return trainer


@pytest.mark.thorough
@pytest.mark.parametrize("base", ["llama"], indirect=True)
def test_adapters_of_a_tiny_model_invent_two_words(base: Path) -> None:  # noqa: F811  the fixture
    # of five seeds three learn it (.97, .98, .99), and in two the listener goes to one place before it is told anything
    trainer, table, rng = learned(base, seed=4), Table(), random.Random(77)
    told = np.mean([episode.payoff for episode in table.episodes(trainer, rng, 400)])
    shuffled = np.mean([episode.payoff for episode in table.episodes(trainer, rng, 400, shuffle=True)])
    assert told > 0.95
    assert shuffled == pytest.approx(0.5, abs=0.075)  # 3 standard errors

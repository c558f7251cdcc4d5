"""The cases of `society study verify`: closed forms and sums worked out by hand, then what the library recorded.

A case where chance plays a part says so and has a tolerance of four standard errors; all others are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any

from agents.strategy import TrainingMode
from simulation.studies.verify.axelrod_record import recorded_cases
from simulation.studies.verify.crowd_cases import crowd_cases
from simulation.studies.verify.opinion_cases import opinion_cases
from simulation.studies.verify.verify import Expected, KnownCase, KnownFigure, Play

DILEMMA = "prisoners_dilemma"
AXELROD = "Axelrod, The Evolution of Cooperation (1984): payoffs 5, 3, 1, 0"
GOODS = "Isaac & Walker, QJE 103 (1988): e - g + m * sum / n"
GOVSIM = "Piatti et al., GovSim (NeurIPS 2024): stock 100, doubling, cap 100"
SEN = "Sen, On Economic Inequality (1973)"
SHARING = "rule of the mode (simulation/modes.py)"
FORMULA = "the specification's formula (simulation/games/strategy.py)"
AUMANN = "Aumann, J. Math. Econ. 1 (1974): payoffs 7, 6, 2, 0"
NAGEL = "Nagel, AER 85 (1995)"


def _of(figure: KnownFigure, *values: float, within: float | None = None) -> Expected:
    return Expected(figure, values) if within is None else Expected(figure, values, within)


def _pair(first: str, second: str, *, steps: int = 200) -> Play:
    return Play(DILEMMA, (first, second), steps)


def _goods(*policies: str, steps: int = 1, **parameters: Any) -> Play:
    return Play("public_goods", policies, steps, parameters)


def _fishery(*policies: str, **parameters: Any) -> Play:
    return Play("commons", policies, 12, parameters)


_RIDER = ("free_rider", *("always_cooperate",) * 4)


def _dilemmas() -> Iterator[KnownCase]:
    payoff = KnownFigure.PAYOFF
    yield KnownCase(
        "tit-for-tat, always defect",
        _pair("tit_for_tat", "always_defect"),
        (_of(payoff, 199, 204), _of(KnownFigure.ACCURACY, 199 / 200, 1), _of(KnownFigure.COOPERATION, 1 / 200, 0)),
        AXELROD,
    )
    yield KnownCase(
        "tit-for-tat, always cooperate",
        _pair("tit_for_tat", "always_cooperate"),
        (
            _of(payoff, 600, 600),
            _of(KnownFigure.OPTIMUM, 1200),
            _of(KnownFigure.NASH, 400),
            _of(KnownFigure.EFFICIENCY, 1, 1),
        ),
        AXELROD,
    )
    yield KnownCase("both defect", _pair("always_defect", "always_defect"), (_of(payoff, 200, 200),), AXELROD)
    yield KnownCase("grim, always defect", _pair("grim", "always_defect"), (_of(payoff, 199, 204),), AXELROD)
    yield KnownCase(
        "suspicious tit-for-tat, tit-for-tat: they alternate",
        _pair("suspicious_tit_for_tat", "tit_for_tat"),
        (_of(payoff, 500, 500),),
        AXELROD,
    )
    yield KnownCase(
        "win-stay-lose-shift, always defect",
        _pair("win_stay_lose_shift", "always_defect"),
        (_of(payoff, 100, 600),),
        "Nowak & Sigmund, Nature 364 (1993): C and D in turn",
    )
    yield KnownCase(
        "other payoffs (7, 4, 2, 1), always defect against cooperate",
        Play(
            DILEMMA,
            ("always_defect", "always_cooperate"),
            10,
            {"temptation": 7, "reward": 4, "punishment": 2, "sucker": 1},
        ),
        (_of(payoff, 70, 10), _of(KnownFigure.OPTIMUM, 80), _of(KnownFigure.NASH, 40)),
        "closed form: 10 T, 10 S",
    )
    # a pair's sum is 6, 5, 5 or 2: variance 9/4, so 9/16 for its mean; 20 pairs, 200 turns
    yield KnownCase(
        "random, random: 20 pairs, by chance",
        Play(DILEMMA, ("random_50",) * 40, 200),
        (_of(KnownFigure.MEAN_PER_STEP, 2.25, within=4 * sqrt(9 / 16 / 4000)),),
        "closed form: (5 + 3 + 1 + 0) / 4",
    )


def _public_goods() -> Iterator[KnownCase]:
    payoff = KnownFigure.PAYOFF
    yield KnownCase(
        "public goods, n=5: nobody gives",
        _goods(*("always_defect",) * 5),
        (_of(payoff, *(20,) * 5), _of(KnownFigure.NASH, 100), _of(KnownFigure.ACCURACY, *(1,) * 5)),
        GOODS,
    )
    yield KnownCase(
        "public goods, n=5: all give all",
        _goods(*("always_cooperate",) * 5),
        (
            _of(payoff, *(32,) * 5),
            _of(KnownFigure.OPTIMUM, 160),
            _of(KnownFigure.GINI, 0),
            _of(KnownFigure.ACCURACY, *(0,) * 5),
        ),
        GOODS,
    )
    yield KnownCase(
        "public goods, n=5: a lone free rider",
        _goods(*_RIDER),
        (_of(payoff, 45.6, *(25.6,) * 4), _of(KnownFigure.EFFICIENCY, *(148 / 160,) * 5)),
        GOODS,
    )
    yield KnownCase(
        "public goods, n=10, multiplier 2: half of them give",
        _goods(*("always_cooperate", "free_rider") * 5, multiplier=2.0),
        (_of(payoff, *(20, 40) * 5), _of(KnownFigure.OPTIMUM, 400)),
        GOODS,
    )
    yield KnownCase(
        "public goods, n=2, multiplier 3: the selfish give, too",
        _goods("best_response", "best_response", steps=3, multiplier=3.0),
        (_of(payoff, 180, 180), _of(KnownFigure.NASH, 360), _of(KnownFigure.OPTIMUM, 360)),
        "closed form: giving is dominant where m > n",
    )
    # gifts 16, 14, 13, 12, 11, 10, 9, 8, 7, 6: the whole number nearest to 0.9 * what the others gave
    yield KnownCase(
        "public goods: conditional cooperation decays",
        _goods(*("conditional_cooperator",) * 4, steps=10, contributions=tuple(range(21))),
        (_of(payoff, *(200 + 0.6 * 106,) * 4),),
        "Fischbacher, Gächter & Fehr (2001): answers fall short of 1; sum by hand",
    )


def _commons() -> Iterator[KnownCase]:
    payoff = KnownFigure.PAYOFF
    yield KnownCase(
        "fishery: 10 each a round, sustained",
        _fishery(*("sustainable_harvester",) * 5, harvests=(0, 5, 10)),
        (_of(payoff, *(120,) * 5), _of(KnownFigure.WELFARE, 600), _of(KnownFigure.STEPS, 12)),
        GOVSIM,
    )
    yield KnownCase(
        "fishery: sustained, and the last round takes all",
        _fishery(*("sustainable_harvester",) * 5),
        (_of(KnownFigure.WELFARE, 650), _of(KnownFigure.OPTIMUM, 650, within=1e-6)),
        GOVSIM + "; optimum by linear programme",
    )
    yield KnownCase(
        "fishery: greed collapses in round 1",
        _fishery(*("greedy_harvester",) * 5),
        (_of(KnownFigure.WELFARE, 100), _of(KnownFigure.STEPS, 1), _of(KnownFigure.NASH, 100), _of(payoff, *(20,) * 5)),
        GOVSIM,
    )
    # stock 100 -> 60 taken -> 80; then 5 each for the four (their share is 6) and 20; at the last 15 each and 20
    yield KnownCase(
        "fishery: one greedy among four that sustain",
        _fishery("greedy_harvester", *("sustainable_harvester",) * 4),
        (_of(payoff, 240, *(75,) * 4), _of(KnownFigure.STEPS, 12)),
        "by hand from the rules of GovSim",
    )


def _rewards() -> Iterator[KnownCase]:
    reward, goods = KnownFigure.REWARD, "public_goods"
    yield KnownCase(
        "reward, cooperative: equal parts",
        Play(goods, _RIDER, mode=TrainingMode.COOPERATIVE),
        (_of(reward, *(20,) * 5),),
        SHARING,
    )
    yield KnownCase(
        "reward, competitive: in proportion to payoff",
        Play(goods, _RIDER),
        (_of(reward, 100 * 45.6 / 148, *(100 * 25.6 / 148,) * 4),),
        SHARING,
    )
    # giving 20 of 4: the two free riders get 20 + 16 each, the two givers 16 each
    yield KnownCase(
        "reward, team battle: to teams by payoff, equal within",
        Play(
            goods,
            ("free_rider", "always_cooperate", "free_rider", "always_cooperate"),
            mode=TrainingMode.TEAM_BATTLE,
            teams=("red", "blue", "red", "blue"),
            task={"reward_pool": 52},
        ),
        (_of(KnownFigure.PAYOFF, 36, 16, 36, 16), _of(reward, 18, 8, 18, 8)),
        SHARING,
    )
    yield KnownCase(
        "gini: one of two has all",
        _pair("always_defect", "always_cooperate", steps=4),
        (_of(KnownFigure.PAYOFF, 20, 0), _of(KnownFigure.GINI, 1 / 2)),
        SEN + ": (n - 1) / n",
    )
    yield KnownCase(
        "gini: one of three has all",
        Play("minority", ("always_cooperate", "always_defect", "always_defect"), 4),
        (_of(KnownFigure.PAYOFF, 4, 0, 0), _of(KnownFigure.GINI, 2 / 3), _of(KnownFigure.ACCURACY, 1, 1, 1)),
        SEN + ": (n - 1) / n",
    )
    yield KnownCase(
        "gini: 45.6 and four times 25.6",
        _goods(*_RIDER),
        (_of(KnownFigure.GINI, 8 * 20 / (2 * 5 * 148)),),
        SEN + ": sum |a - b| / (2 n sum)",
    )


def _formula() -> Iterator[KnownCase]:
    def speak(policy: str, difficulty: float, level: float, mode: TrainingMode, talk: bool = True) -> Play:
        task = {"difficulty": difficulty, "cooperation_level": level}
        return Play("strategy", (policy,) * 2, mode=mode, talk=talk, task=task)

    accuracy = KnownFigure.ACCURACY
    yield KnownCase(
        "strategy: speaks of cooperation",
        speak("always_cooperate", 0.5, 0.5, TrainingMode.COOPERATIVE),
        (_of(accuracy, 0.7, 0.7), _of(KnownFigure.EFFICIENCY, 0.7, 0.7)),
        FORMULA + ": 0.5 + 0.5 * 0.2 + 0.10",
    )
    yield KnownCase(
        "strategy: speaks of competition, without teamwork",
        speak("always_defect", 0.75, 0.5, TrainingMode.COMPETITIVE),
        (_of(accuracy, 0.35, 0.35),),
        FORMULA + ": 0.25 + 0 + 0.05 + 0.05",
    )
    yield KnownCase(
        "strategy: silent",
        speak("always_cooperate", 0.5, 1.0, TrainingMode.COOPERATIVE, talk=False),
        (_of(accuracy, 0.75, 0.75),),
        FORMULA + ": 0.5 + 1.0 * 0.2 + 0.05",
    )
    yield KnownCase(
        "strategy: never above 1",
        speak("always_cooperate", 0.0, 1.0, TrainingMode.COOPERATIVE),
        (_of(accuracy, 1, 1),),
        FORMULA + ": min(1, 1.3)",
    )


def _other_games() -> Iterator[KnownCase]:
    yield KnownCase(
        "chicken: swerve against dare",
        Play("chicken", ("always_cooperate", "always_defect"), 10),
        (_of(KnownFigure.PAYOFF, 20, 70), _of(KnownFigure.NASH, 2 * 10 * 14 / 3), _of(KnownFigure.OPTIMUM, 120)),
        AUMANN,
    )
    # a pair's sum is 12, 9, 9 or 0 with 4/9, 2/9, 2/9, 1/9: mean 28/3, variance 100 - 784/9, a quarter for the mean
    yield KnownCase(
        "chicken: the mixed equilibrium, 10 pairs, by chance",
        Play("chicken", ("nash_mixer",) * 20, 200),
        (_of(KnownFigure.MEAN_PER_STEP, 14 / 3, within=4 * sqrt((100 - 784 / 9) / 4 / 2000)),),
        AUMANN + "; swerve 2/3",
    )
    yield KnownCase(
        "stag hunt: stag against hare",
        Play("stag_hunt", ("always_cooperate", "always_defect"), 10),
        (_of(KnownFigure.PAYOFF, 0, 30), _of(KnownFigure.OPTIMUM, 80), _of(KnownFigure.NASH, 60)),
        "Skyrms (2004): payoffs 4, 3, 0",
    )
    yield KnownCase(
        "2/3 of the average: everyone at 0",
        Play("beauty_contest", ("always_defect",) * 5, 3),
        (_of(KnownFigure.PAYOFF, *(12,) * 5), _of(KnownFigure.ACCURACY, *(1,) * 5)),
        NAGEL + ": the prize of 20 shared by five",
    )
    # of four, own guess included: 30 = 2/3 * (3 * 50 + 30) / 4, then 18 and 12 to the nearest 5; target 2/3 * 60 / 4
    yield KnownCase(
        "2/3 of the average: levels 1 to 3 guess 30, 20, 10; with a 0 the third wins",
        Play("beauty_contest", ("level_1", "level_2", "level_3", "always_defect")),
        (_of(KnownFigure.PAYOFF, 0, 0, 20, 0), _of(KnownFigure.COOPERATION, 0.3, 0.2, 0.1, 0)),
        NAGEL + ": each level answers the one below",
    )
    yield KnownCase(
        "trust: all sent, split evenly",
        Play("trust", ("always_cooperate",) * 2, 2),
        (_of(KnownFigure.WELFARE, 40), _of(KnownFigure.GINI, 0), _of(KnownFigure.OPTIMUM, 40)),
        "Berg, Dickhaut & McCabe, GEB 10 (1995): 10 + 10 + 2 * 10",
    )
    yield KnownCase(
        "ultimatum: half offered and taken, in turn",
        Play("ultimatum", ("always_cooperate",) * 2, 4),
        (_of(KnownFigure.PAYOFF, 10, 10), _of(KnownFigure.EFFICIENCY, 1, 1)),
        "Güth, Schmittberger & Schwarze, JEBO 3 (1982): two pies of 10",
    )


def all_cases() -> tuple[KnownCase, ...]:
    """Every case, those of the library last. Reads the record."""
    closed = (_dilemmas, _public_goods, _commons, _rewards, _formula, _other_games, opinion_cases, crowd_cases)
    return tuple(case for part in (*closed, recorded_cases) for case in part())

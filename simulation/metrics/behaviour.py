"""What a player does, step by step: the figures of a behavioural fingerprint.

`watch` makes a table of a run's focal player. A figure takes such tables to the sums of `simulation.metrics.clusters`
(one row per episode with data), and a statistic takes the totals of the sums to a number.
Cooperation levels are in 0-1, as each game defines them; in public goods they are the share of the largest gift.

Sources: Axelrod, The Evolution of Cooperation (1984), opening moves; Nowak & Sigmund, Nature 364 (1993), reactions to
the last step; Fischbacher, Gächter & Fehr, Economics Letters 71 (2001), contribution curves; Fehr & Gächter, American
Economic Review 90 (2000), responses to punishment; Johanson et al., IJCAI 2011, exploitability; Cohen, Educational and
Psychological Measurement 20 (1960), agreement beyond chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.language import Language
from agents.players.policies import PUNISH, Option, announced_option
from agents.problems import SocietyError
from agents.role import PopulationPart
from simulation.metrics.arrays import Matrix, Vector
from simulation.seeds import stream
from simulation.tables.reconstruct import game_of
from simulation.task import TrainingTask

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

LOW, HIGH = 1 / 3, 2 / 3
"""The cuts of a contribution curve: the others gave less than a third, two thirds or more, or something between."""


def watch(run: Run) -> pd.DataFrame:
    """A table with one row per step of the focal player, in order, of a visitor run of one task.

    | column | meaning |
    |---|---|
    | `cluster` | the episode |
    | `step` | the step |
    | `own`, `others` | cooperation level, of the others their mean; nan where the decision is invalid |
    | `payoff`, `others_payoff` | payoff, of the others their mean |
    | `own_last`, `others_last` | the levels of the step before; nan in the first step |
    | `punished` | by how many players |
    | `asks` | how many answers the model was asked for |
    | `announced` | the level of the option that its last message names; nan where it names none |
    | `spoke` | whether it sent a message |
    | `short` | 1 - accuracy of the episode |
    | `nash` | what a player earns per step at the equilibrium that the game names |

    Raises:
        SocietyError: The run has no focal player, or several.
    """
    focal = _focal(run)
    frame = _levels(run, focal).merge(_decisions(run, focal), on=["episode", "step"], how="left")
    frame = frame.merge(_announcements(run, focal), on=["episode", "step"], how="left")
    frame = frame.merge(_episodes(run, focal), on="episode", how="inner", validate="many_to_one")
    frame = frame.sort_values(["episode", "step"]).rename(columns={"episode": "cluster"})
    for name in ("own", "others"):
        frame[f"{name}_last"] = frame.groupby("cluster")[name].shift(1)
    return frame.assign(spoke=frame["spoke"].notna(), punished=frame["punished"].fillna(0)).reset_index(drop=True)


def _focal(run: Run) -> str:
    found = run.agents[run.agents["part"] == PopulationPart.FOCAL.value]["model_id"].tolist()
    if len(found) != 1:
        raise SocietyError(f"{run.path}: a fingerprint needs one focal player; there are {len(found)}")
    return str(found[0])


def _levels(run: Run, focal: str) -> pd.DataFrame:
    steps = run.steps.astype({"model_id": str})
    mine = steps["model_id"] == focal
    own = steps[mine].rename(columns={"cooperation": "own"})[["episode", "step", "own", "payoff"]]
    company = steps[~mine].groupby(["episode", "step"])[["cooperation", "payoff"]].mean().reset_index()
    company = company.rename(columns={"cooperation": "others", "payoff": "others_payoff"})
    return own.merge(company, on=["episode", "step"], validate="one_to_one")


def _decisions(run: Run, focal: str) -> pd.DataFrame:
    """Per step: how often the focal player was asked, and how many others punished it."""
    decisions = run.decisions.astype({"model_id": str, "action": object, "played": object})
    own = decisions[decisions["model_id"] == focal][["episode", "step", "asks"]]
    played = decisions["played"].fillna(decisions["action"])
    fines = decisions[played == PUNISH + focal].assign(punished=1)
    fines = fines.groupby(["episode", "step"])[["punished"]].sum().reset_index()
    return own.merge(fines, on=["episode", "step"], how="left")


def _announcements(run: Run, focal: str) -> pd.DataFrame:
    """The focal player's last message of each step, as the level of the option it names."""
    said = run.messages[run.messages["sender"] == focal].sort_values("talk_round")
    said = said.groupby(["episode", "step"])["text"].last().reset_index()
    options = _options(run) if len(said) else ()
    found = (announced_option(str(text), options) for text in said["text"])
    levels = [np.nan if option is None else option.cooperation for option in found]
    return said.assign(announced=np.array(levels, dtype=np.float64), spoke=True)[
        ["episode", "step", "announced", "spoke"]
    ]


def _options(run: Run) -> tuple[Option, ...]:
    """The options of a player in the first step of the run's task."""
    scenario = run.manifest["scenario"]
    task = TrainingTask.model_validate(scenario["tasks"][0])
    game = game_of(run, task)
    return game.observe(game.start(stream(0)), 0, Language(scenario["language"])).options


def _episodes(run: Run, focal: str) -> pd.DataFrame:
    """Per episode: how much the focal player earned less than a best response, and the equilibrium's payoff."""
    rows = run.outcomes.astype({"model_id": str})
    players = rows["model_id"].nunique()
    task, seed = TrainingTask.model_validate(run.manifest["scenario"]["tasks"][0]), int(run.manifest["seed"])
    rows = rows[rows["model_id"] == focal]
    steps = np.array([task.steps(seed, int(episode)) for episode in rows["episode"]], dtype=np.float64)
    return rows[["episode"]].assign(short=1 - rows["accuracy"], nash=rows["nash"] / (players * steps))


def together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of the tables of several runs; every episode is a cluster of its own."""
    import pandas as pd

    return pd.concat([frame.assign(cluster=[(i, c) for c in frame["cluster"]]) for i, frame in enumerate(frames)])


# -- sums -----------------------------------------------------------------------------------------------


def _sums(seen: pd.DataFrame, *columns: Any) -> Matrix:
    """Per episode the sums of `columns`, without episodes in which the last column sums to 0."""
    import pandas as pd

    table = pd.concat([pd.Series(np.asarray(column, dtype=np.float64)) for column in columns], axis=1)
    summed = table.groupby(seen["cluster"].to_numpy()).sum().to_numpy()
    return np.asarray(summed[summed[:, -1] > 0])


def _mean_of(seen: pd.DataFrame, values: Any) -> Matrix:
    """Sum and number of the values that are not nan."""
    values = np.asarray(values, dtype=np.float64)
    return _sums(seen, np.nan_to_num(values), np.isfinite(values))


def opening_move(seen: pd.DataFrame) -> Matrix:
    """Cooperation level of the first step.

    Source:
        Axelrod, The Evolution of Cooperation (1984).
    """
    first = seen[seen["step"] == 0]
    return _mean_of(first, first["own"])


def reaction(seen: pd.DataFrame, own: float, others: float) -> Matrix:
    """Cooperation level after a step in which the player was at level `own` and its partner at `others`.

    Source:
        Nowak & Sigmund, Nature 364 (1993): memory one.
    """
    after = seen[(seen["own_last"] == own) & (seen["others_last"] == others)]
    return _mean_of(after, after["own"])


def contribution(seen: pd.DataFrame, above: float, below: float) -> Matrix:
    """Gift after a step in which the others' mean gift was at least `above` and less than `below`, all in 0-1.

    Source:
        Fischbacher, Gächter & Fehr, Economics Letters 71 (2001).
    """
    after = seen[(seen["others_last"] >= above) & (seen["others_last"] < below)]
    return _mean_of(after, after["own"])


def contribution_sums(seen: pd.DataFrame) -> Matrix:
    """The sums behind the slope of gifts over the others' last mean gift (least squares).

    Source:
        Fischbacher, Gächter & Fehr, Economics Letters 71 (2001).
    """
    after = seen[seen["others_last"].notna() & seen["own"].notna()]
    x, y = after["others_last"].to_numpy(), after["own"].to_numpy()
    return _sums(after, x, y, x * x, x * y, np.ones(len(after)))


def slope(totals: Matrix) -> Vector:
    """Least-squares slope from the sums of x, y, xx, xy and their number."""
    x, y, xx, xy, n = totals.T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = n * xx - x * x
        return np.where(spread > 1e-9, (n * xy - x * y) / spread, np.nan)


def punishment_response(seen: pd.DataFrame, punished: bool) -> Matrix:
    """Change of the gift (-1 to 1) from before to after a punishing step in which the player was punished, or not.

    Source:
        Fehr & Gächter, American Economic Review 90 (2000).
    """
    change, fined = _changes(seen)
    return _mean_of(seen, np.where(fined == punished, change, np.nan))


def punishment_sums(seen: pd.DataFrame) -> Matrix:
    """The sums behind the effect of punishment on the gift: changes after punishment, and after none.

    Source:
        Fehr & Gächter, American Economic Review 90 (2000).
    """
    change, fined = _changes(seen)
    known = np.isfinite(change)
    return _sums(
        seen,
        np.where(known & fined, change, 0),
        known & fined,
        np.where(known & ~fined, change, 0),
        known & ~fined,
        known,
    )


def _changes(seen: pd.DataFrame) -> tuple[Vector, Any]:
    """Per step the change of the gift since the last giving step (nan elsewhere), and whether a fine came between."""
    by_episode = seen.groupby("cluster")
    giving = seen["step"] % 2 == 0
    change = (seen["own"] - by_episode["own"].shift(2)).where(giving)
    fined = by_episode["punished"].shift(1).fillna(0) > 0
    return change.to_numpy(dtype=np.float64), fined.to_numpy(dtype=bool)


def difference_of_means(totals: Matrix) -> Vector:
    """The mean of the first two columns less that of the next two."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, 0] / totals[:, 1] - totals[:, 2] / totals[:, 3])


def exploitability(seen: pd.DataFrame) -> Matrix:
    """What the partner earned per step beyond the payoff of the named equilibrium, in the game's points.

    The partner should be a best responder. With a partner that plays one fixed strategy this is a lower bound.

    Source:
        Johanson et al., IJCAI 2011: what a best responder wins beyond the game's value; here per step.
    """
    return _mean_of(seen, seen["others_payoff"] - seen["nash"])


def best_response_gap(seen: pd.DataFrame) -> Matrix:
    """How much payoffs were below those of a best response to what the others did in the step: 0 nothing, 1 all.

    Source:
        1 - accuracy of the game's docstring: myopic best response.
    """
    return _mean_of(seen, seen["short"])


def unreadable(seen: pd.DataFrame) -> Matrix:
    """Share of decisions whose first answer was no legal action (parse failures).

    Source:
        Defined here.
    """
    return _mean_of(seen, np.where(seen["asks"].notna(), seen["asks"] > 1, np.nan))


def announces(seen: pd.DataFrame) -> Matrix:
    """Share of messages that name an option.

    Source:
        agents.players.observation.announced_option.
    """
    return _mean_of(seen, np.where(seen["spoke"], seen["announced"].notna(), np.nan))


def word_kept(seen: pd.DataFrame) -> Matrix:
    """Share of messages that name an option after which the sender played that option; an invalid decision is none.

    Source:
        agents.players.observation.announced_option.
    """
    return _mean_of(seen, np.where(seen["announced"].notna(), seen["announced"] == seen["own"], np.nan))


def word_sums(seen: pd.DataFrame) -> Matrix:
    """The sums behind the agreement of message and decision beyond chance (two options; valid decisions).

    Source:
        Cohen, Educational and Psychological Measurement 20 (1960): observed - expected agreement.
    """
    rows = seen[seen["announced"].notna() & seen["own"].notna()]
    said, done = rows["announced"] >= 0.5, rows["own"] >= 0.5
    return _sums(rows, said == done, said, done, np.ones(len(rows)))


def beyond_chance(totals: Matrix) -> Vector:
    """Observed agreement less the agreement of independent messages and decisions: -0.5 to 0.5."""
    agree, said, done, n = totals.T
    with np.errstate(invalid="ignore", divide="ignore"):
        said, done = said / n, done / n
        return np.asarray(agree / n - (said * done + (1 - said) * (1 - done)))

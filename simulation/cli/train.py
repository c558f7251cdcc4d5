"""`society train`: adapters or tables that learn from play. Heavy imports are inside the commands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.problems import member_of
from simulation.cli import logs
from simulation.cli.console import as_json, print_result, stderr, text_table
from simulation.cli.groups import default_command
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    EngineOption,
    JobsOption,
    JsonOption,
    OutOption,
    ScenarioSeedOption,
    SetOption,
    TierOption,
    fail_usage,
    jobs_or_default,
    settings_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.store.events import Event
    from simulation.training.gate.power import GatePower
    from simulation.training.league.tables import League
    from simulation.training.ledger import UpdateLine
    from simulation.training.tables import Training

RUN = "run"


train_app = typer.Typer(
    cls=default_command(RUN),
    help="Train adapters or tables by letting them play.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    train_app.command(RUN, epilog="Example: `society train dilemma_shared`, then `society train FOLDER` to go on")(run)
    train_app.command(epilog="Example: `society train show runs/dilemma_shared-training-20260101-120000-abc123`")(show)
    train_app.command(epilog="Example: `society train export FOLDER ada --as negotiator --to adapters`")(export)
    app.add_typer(train_app, name="train")


FolderArgument = Annotated[Path, typer.Argument(help="The folder of a training.")]


def run(
    scenario: Annotated[
        str,
        typer.Argument(help="A scenario file with a `training` section, a shipped one's name, or a training's folder."),
    ],
    updates: Annotated[int | None, typer.Option(min=1, help="Updates to end at, in place of the scenario's.")] = None,
    begin: Annotated[
        Path | None, typer.Option(help="A training's folder: learners that it has too begin with the adapters it left.")
    ] = None,
    fork: Annotated[
        int | None, typer.Option(min=1, help="Begin a new training: that of the folder, without this update.")
    ] = None,
    tier: TierOption = None,
    seed: ScenarioSeedOption = None,
    endpoint: EndpointsOption = None,
    jobs: JobsOption = None,
    engine: EngineOption = "local",
    out: OutOption = RUNS,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Train the learners of a scenario's `training` section, or go on with a training; the last line is its folder.

    Killed anywhere, the same command with the folder goes on, and ends in the same versions.
    """
    from simulation.plan import make_plan
    from simulation.runs.engines import Engine, Workers
    from simulation.tables.run import TRAINING
    from simulation.training.run import begin_training, config_of, read_plan, train
    from simulation.training.start import continued
    from simulation.training.tables import load_training

    workers, folder = Workers(jobs_or_default(jobs), member_of(Engine, engine, "--engine")), Path(scenario)
    if (folder / TRAINING).is_file():
        if tier or seed is not None or endpoint or set_ or begin:
            fail_usage(
                f"{folder} goes on with its own scenario: only --updates, --fork, --jobs and --engine can be given"
            )
        folder = folder if fork is None else _forked(folder, fork, out)
    else:
        if fork is not None:
            fail_usage("--fork leaves out an update of a training: give the training's folder")
        plan = make_plan(_shipped(scenario), settings_of(tier=tier, seed=seed, endpoints=endpoint, pairs=set_))
        folder = begin_training(continued(plan, begin) if begin else plan, out)
        stderr().print(f"training in {folder}", highlight=False)
    last = updates or config_of(read_plan(folder)).last_update
    with _progress(last) as progress:
        train(
            folder,
            updates=updates,
            on_update=progress.on_update,
            on_event=progress.on_event,
            on_power=_print_power,
            workers=workers,
        )
    _show(load_training(folder), json_)


def _forked(folder: Path, without: int, out: Path) -> Path:
    from simulation.training.fork import fork_training

    made = fork_training(folder, without, out)
    stderr().print(f"training in {made}: {folder} without update {without}", highlight=False)
    return made


def show(folder: FolderArgument, json_: JsonOption = False) -> None:
    """Print what a training made of its learners, update by update."""
    from simulation.training.tables import load_training

    _show(load_training(folder), json_)


def export(
    folder: FolderArgument,
    learner: Annotated[str, typer.Argument(help="The model_id of the learner.")],
    as_: Annotated[str | None, typer.Option("--as", help="The adapter's new name; by default the learner's.")] = None,
    to: Annotated[Path, typer.Option(help="The folder in which the adapter's folder is made.")] = Path("adapters"),
    update: Annotated[
        int | None,
        typer.Option(
            min=0, help="The update whose version leaves; by default the last, or the last that a gate promoted."
        ),
    ] = None,
) -> None:
    """Write a learner's version as a PEFT folder with a model card, and print a roster row for it."""
    from simulation.training.export import default_update, export_version, roster_row
    from simulation.training.tables import load_training

    training = load_training(folder)
    place = export_version(training, learner, to, name=as_, update=update)
    if update is None and training.ledger.decisions:
        left = default_update(training, learner)
        what = f"update {left}, the last that the gate promoted" if left else "the first: the gate promoted none"
        stderr().print(f"the version of {learner} is that of {what}", highlight=False)
    typer.echo(roster_row(training, learner, place))
    typer.echo(str(place))


def _shipped(name: str) -> str:
    """The path of a shipped training of that name; else the name itself."""
    from agents.problems import nearest
    from simulation.scenario import shipped_scenarios
    from simulation.training.shipped import shipped_trainings

    known = shipped_trainings()
    if name in shipped_scenarios() and name not in known:
        fail_usage(f"the scenario {name} has no `training` section; shipped trainings: {', '.join(known)}")
    if name not in known and not Path(name).exists():
        fail_usage(f"there is no training, no scenario file and no folder {name!r} ({nearest(name, list(known))})")
    return str(known.get(name, name))


def _print_power(found: Sequence[GatePower]) -> None:
    from simulation.training.gate.power import power_lines

    for line in power_lines(found):
        stderr().print(line, highlight=False, soft_wrap=True)


class _progress:
    """A progress bar over updates, with the episodes of the present one and the latest value of each learner.

    Where stderr is no terminal, each update is a line.
    """

    def __init__(self, updates: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("update"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("{task.description}"), console=stderr(), transient=True)
        self._task = self._bar.add_task("", total=updates)
        self._updates = updates
        self._latest, self._episodes = "", 0

    def __enter__(self) -> _progress:
        self._bar.start()
        return self

    def on_update(self, line: UpdateLine) -> None:
        """Show an update that was made."""
        values = [f"{name} {made.value:.3f}" for name, made in line.learners.items() if made.value is not None]
        tokens = sum(made.tokens for made in line.learners.values())
        rate = [f"{tokens / line.seconds:,.0f} tokens/s"] if tokens and line.seconds else []
        self._latest, self._episodes = "  ".join([*values, *rate]), 0
        self._bar.update(self._task, completed=line.update, description=self._latest)
        if line.update and not self._bar.console.is_terminal and not logs.are_json():
            plain = f"update {line.update}/{self._updates}  {self._latest}".rstrip()
            self._bar.console.print(plain, highlight=False, markup=False, soft_wrap=True)

    def on_event(self, event: Event) -> None:
        """Show how many episodes of the present update are played."""
        from simulation.store.events import EpisodeEnded

        if isinstance(event, EpisodeEnded):
            self._episodes += 1
            self._bar.update(self._task, description=f"{self._latest}  episode {self._episodes}".strip())

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def _show(training: Training, json_: bool) -> None:
    if json_:
        tables = {name: getattr(training, name).to_dict("records") for name in ("updates", "gates")}
        typer.echo(as_json({"folder": str(training.path), **tables}))
        return
    if training.ledger.lines:
        print_result(training.banner, _tables(training))
    else:
        typer.echo("no update is made yet")
    typer.echo(str(training.path))


def _tables(training: Training) -> Iterator[Table]:
    yield _table(training)
    if len(training.modes):
        yield _modes_table(training)
    if len(training.mixtures):
        yield _mixtures_table(training)
    if any(line.gates for line in training.ledger.lines):
        yield _gates(training)
    if training.league is not None:
        yield _league_table(training.league)


def _table(training: Training) -> Table:
    """First and last update of each learner."""
    heads = ("learner", "updates", "value a step at first", "at last", "entropy", "KL", "invalid", "version")
    rows = []
    for name in training.plan_learners:
        mine = training.updates[training.updates["learner"] == name]
        known = mine.dropna(subset=["value"])
        values = [_number(known["value"].iloc[place]) if len(known) else "-" for place in (0, -1)]
        last = mine.iloc[-1]
        figures = [_number(last[key]) for key in ("entropy", "kl")]
        rows.append((name, str(len(mine) - 1), *values, *figures, f"{last['invalid']:.1%}", last["version"]))
    return text_table("value: what the objective earned before the update", heads, rows)


def _modes_table(training: Training) -> Table:
    """What each mode of a mixed training taught each learner, and how often it was played."""
    heads = ("learner", "mode", "episodes", "share at first", "at last", "value a step at first", "at last", "taught")
    modes, last = training.modes, training.ledger.lines[-1].update
    total, rows = modes.groupby("learner")["weight"].sum(), []
    for (name, mode), mine in modes.groupby(["learner", "mode"], sort=False):
        shares = mine.set_index("update")["share"]
        ends = [f"{shares.get(update, 0.0):.0%}" for update in (1, last)]
        values = [_number(mine["value"].iloc[place]) for place in (0, -1)]
        taught = f"{mine['weight'].sum() / total[name]:.0%}" if total[name] else "-"
        rows.append((str(name), str(mode), str(mine["episodes"].sum()), *ends, *values, taught))
    return text_table("modes: the share of episodes, and of all that was learned", heads, rows)


def _mixtures_table(training: Training) -> Table:
    """The weight of each adapter in the first and the last mixture of each learner."""
    rows = [
        (str(name), str(adapter), *(f"{mine['weight'].iloc[place]:.2f}" for place in (0, -1)))
        for (name, adapter), mine in training.mixtures.groupby(["learner", "adapter"], sort=False)
    ]
    return text_table("mixtures: the weight of each adapter", ("learner", "adapter", "at first", "at last"), rows)


def _gates(training: Training) -> Table:
    """The gate's decisions, with every partner's difference."""
    from simulation.training.gate.decision import shown

    heads = ("update", "learner", "verdict", "partner", "candidate less incumbent", "passed", "error", "why")
    rows = []
    for line in training.ledger.lines:
        for name, found in line.gates.items():
            for number, each in enumerate(found.evidence):
                head = (str(line.update), name, found.verdict.value) if number == 0 else ("", "", "")
                end = (f"{found.error:.2g}", found.reason) if number == 0 else ("", "")
                rows.append((*head, each.partner, shown(each), "yes" if each.passed else "no", *end))
    return text_table("the gate: points a step, bounds at the decision's error", heads, rows)


def _league_table(league: League) -> Table:
    """Each round of a league: values, gains and NashConv, in points a step."""
    figures = ("value", "gain", "nash_conv")
    heads = ("round", "learner", "policies", "value", "gain of the new policy", "NashConv")
    rows = [
        (*map(str, (row["round"], row["learner"], row["policies"])), *map(_number, map(row.get, figures)))
        for row in league.rounds.to_dict("records")
    ]
    title = "league: value of the mixtures; the gain is a lower bound of what can be gained"
    return text_table(title, heads, rows)


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"

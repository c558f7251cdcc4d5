"""The arguments and options that several commands share, each declared once, and what they mean.

A command's parameter is one of these types and a default: `seed: SeedOption = 0`. Imports nothing heavy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agents.inference.provenance import FALLBACK_ORDER
from agents.language import Language
from agents.problems import SocietyError, UsageError
from agents.strategy import TrainingMode

if TYPE_CHECKING:
    from simulation.plan import Plan, Settings

# -- what a command works on --------------------------------------------------------------------------------

PlayedArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario: file or shipped name. A run's directory, or a folder of runs (the newest): played anew.",
    ),
]
ScenarioOrFolder = Annotated[
    str,
    typer.Argument(help="A scenario file, a shipped scenario's name, or the folder of an interrupted study."),
]
RosterArgument = Annotated[str, typer.Argument(help="A roster file, or a shipped roster's name.")]
RosterOrFolder = Annotated[
    str,
    typer.Argument(help="A roster file, a shipped roster's name, or the folder of an interrupted study."),
]
RunsArgument = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Run directories, folders of runs, or quoted patterns of them.")
]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run's directory, or a folder of runs: the newest.", show_default=False)
]
NewFileArgument = Annotated[Path, typer.Argument(help="The file to write.")]
ServerArgument = Annotated[str, typer.Argument(help="The server's URL, for example http://localhost:8001/v1")]

# -- what is played -----------------------------------------------------------------------------------------

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value of the scenario, a dot between keys; may be given more than once."),
]
WhoOption = Annotated[
    list[str] | None, typer.Option(help="A model, by its id; may be given more than once. Everyone by default.")
]
HappensOption = Annotated[
    str | None,
    typer.Option("--event", help="What happens, as an entry of a scenario's `events`: '{show: The lake closes.}'."),
]
ReplaceOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL=ADAPTER",
        help="Who plays a row instead: a served name, a PEFT folder, or policy:NAME; may be given more than once.",
    ),
]
AsOption = Annotated[str | None, typer.Option("--as", help="The model of the roster that you play, at this terminal.")]
SeedsOption = Annotated[
    int | None, typer.Option(min=1, help="Play so many runs, with consecutive seeds, and print means with intervals.")
]
GridOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=A,B", help="Play every combination of these values; may be given more than once."),
]
ModeOption = Annotated[TrainingMode, typer.Option(help="Who hears whom and who shares.")]
StepsOption = Annotated[int, typer.Option(min=1, help="Steps of an episode.")]
EpisodesOption = Annotated[
    int | None, typer.Option(min=1, help="Episodes of each task, in place of the scenario's number.")
]
PairsOption = Annotated[
    int | None, typer.Option("--episodes", min=2, help="Episodes of each task, in place of the scenario's number.")
]
ScenarioSeedOption = Annotated[int | None, typer.Option("--seed", help="Seed, in place of the scenario's.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of every random draw.")]
LanguageOption = Annotated[Language, typer.Option(help="Language of prompts and messages.")]
SchemaOption = Annotated[bool, typer.Option(help="Write the file's JSON Schema beside it, for editors elsewhere.")]

# -- who answers --------------------------------------------------------------------------------------------

TierOption = Annotated[
    str | None, typer.Option(help="The only tier to use: camel, http, embedded, simulated; or auto: all of them.")
]
RequireOption = Annotated[str | None, typer.Option(help="Stop instead of using a lower tier than this.")]
EndpointsOption = Annotated[
    list[str] | None, typer.Option("--endpoint", help="vLLM server URL; may be given more than once.")
]
KeyOption = Annotated[
    str | None, typer.Option("--api-key-env", help="The environment variable that holds the server's key.")
]
AdaptersOption = Annotated[Path | None, typer.Option(help="A folder with a subfolder per adapter.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder of replies that runs share: each is paid for once.")]

# -- how much at a time, and where it goes ------------------------------------------------------------------

JobsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Runs at a time, or processes of one run in columns; by default what suits the machine."),
]
EngineOption = Annotated[
    str, typer.Option(help="local: processes here; ray: a cluster (RAY_ADDRESS), or workers started here.")
]
OutOption = Annotated[Path, typer.Option(help="Folder in which a new folder is made.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

# -- statistics ---------------------------------------------------------------------------------------------

LevelOption = Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")]
MixTiersOption = Annotated[bool, typer.Option(help="Average replies of several tiers together.")]

RUNS = Path("runs")
MOST_JOBS = 8


def planned(scenario: str, settings: Settings) -> Plan:
    """Load the plan of a scenario with the given settings in place of its own values.

    Raises:
        UsageError: The scenario is a sweep.
        InvalidFileError: The scenario or a setting is wrong.
    """
    from simulation.plan import make_plan
    from simulation.runs.runner import refuse_sweep

    plan = make_plan(scenario, settings)
    refuse_sweep(plan)
    return plan


def settings_of(
    *,
    tier: str | None,
    require: str | None = None,
    seed: int | None = None,
    episodes: int | None = None,
    endpoints: list[str] | None = None,
    pairs: list[str] | None = None,
) -> Settings:
    """Check a command's options and return them as settings.

    Args:
        tier: A tier's name, or "auto" for all of them.
        require: The lowest tier allowed.
        seed: In place of the scenario's.
        episodes: In place of the scenario's.
        endpoints: In place of the scenario's.
        pairs: The values of `--set`, as `key=value`.

    Raises:
        UsageError: An option is wrong.
    """
    from simulation.plan import AUTO, Settings

    _check_tier(None if tier == AUTO else tier, "--tier")
    _check_tier(require, "--require")
    wrong = [pair for pair in pairs or () if "=" not in pair]
    if wrong:
        fail_usage(f"--set {wrong[0]}: write key=value, for example --set inference.temperature=0")
    changed = dict(pair.split("=", 1) for pair in pairs or ())
    return Settings(tier, require, seed, episodes, tuple(endpoints or ()), changed)


def mapping_of(text: str, option: str) -> dict[str, object]:
    """Return the mapping that an option gives as YAML. Raises UsageError where it is none."""
    from agents.yaml_file import read_value

    found = read_value(text, f"{option} {text}", option)
    if not isinstance(found, dict):
        fail_usage(f'{option} {text}: write a mapping, for example {{show: "The lake closes."}}')
    return found


def _check_tier(value: str | None, option: str) -> None:
    names = [tier.value for tier in FALLBACK_ORDER]
    if value is not None and value not in names:
        fail_usage(f"{option} {value}: not one of {', '.join(names)}")


def jobs_or_default(jobs: int | None) -> int:
    """The number of `--jobs`; without it, one job per processor, 8 at most."""
    return jobs or min(MOST_JOBS, os.cpu_count() or 1)


def refuse_missing_runs(folder: Path) -> None:
    """Raise SocietyError where the default folder of runs is meant, and nothing was played here yet."""
    if folder == RUNS and not folder.exists():
        raise SocietyError(f"there is no folder {RUNS} here; play something first: society run first_contact")


def fail_usage(message: str) -> NoReturn:
    """Raise a UsageError."""
    raise UsageError(message)

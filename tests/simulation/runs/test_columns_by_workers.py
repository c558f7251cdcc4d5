"""Every game in every mode, and every shipped scenario, is the same for one process, several and Ray's actors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulation.engine.batch import workers
from simulation.engine.batch.processes import ProcessWorker
from simulation.engine.batch.workers import SplitAnswering
from simulation.plan import Plan, make_plan
from simulation.runs import session
from simulation.runs.answering import RayWorker
from simulation.runs.ray_cluster import cluster_of
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from tests.simulation.engine.batch.test_episode import GAMES, MODES, MORE, SHIPPED, drawn, plan_of
from tests.support.two_ways import events_of, rows_of_database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("columns by workers")]


@pytest.fixture(scope="module")
def processes() -> Iterator[SplitAnswering]:
    with closing(SplitAnswering(ProcessWorker, 2)) as split:
        yield split


@pytest.fixture(scope="module")
def actors() -> Iterator[SplitAnswering]:
    pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[ray]'")
    with cluster_of(2) as ray, closing(SplitAnswering(lambda: RayWorker(ray), 2)) as split:
        yield split


def plans() -> Iterator[Plan]:
    """Yield a plan of every game and mode, and every shipped one, to be played in columns."""
    for game in GAMES:
        for mode in MODES:
            yield plan_of({**drawn(game, mode), "prompts": "off"})
    for name in (*SHIPPED, *MORE):
        plan = make_plan(name)
        scenario = plan.scenario.model_dump(mode="json") | {"inference": {"tiers": ["simulated"]}, "prompts": "off"}
        yield make_plan(scenario, roster=plan.roster)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Plan, Run]]:
    """Every plan, in columns, and its run by this process."""
    out = tmp_path_factory.mktemp("alone")
    return [(plan, run_scenario(plan, out=out / str(number))) for number, plan in enumerate(plans())]


def played_alike(
    split: SplitAnswering, alone: list[tuple[Plan, Run]], out: Path, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Play all plans by workers too; return how many parts they answered."""
    monkeypatch.setattr(workers, "LEAST", 1)
    asked = []

    def parts(*arguments: Any) -> Any:
        found = split_up(*arguments)
        asked.extend(found if len(found) > 1 else ())
        return found

    split_up = workers._parts
    monkeypatch.setattr(workers, "_parts", parts)

    @contextmanager
    def shared(_workers: object) -> Iterator[SplitAnswering]:
        yield split

    monkeypatch.setattr(session, "answering_of", shared)
    for number, (plan, by_one) in enumerate(alone):
        together = run_scenario(plan, out=out / str(number))
        assert events_of(together) == events_of(by_one), plan.scenario
        assert rows_of_database(together) == rows_of_database(by_one), plan.scenario
    return len(asked)


def test_two_processes_are_the_same_everywhere(
    processes: SplitAnswering, alone: list[tuple[Plan, Run]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played_alike(processes, alone, tmp_path, monkeypatch) > 1_000


def test_ray_is_the_same_everywhere(
    actors: SplitAnswering, alone: list[tuple[Plan, Run]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played_alike(actors, alone, tmp_path, monkeypatch) > 1_000

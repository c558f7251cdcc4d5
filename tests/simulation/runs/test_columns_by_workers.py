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
from simulation.plan import make_plan
from simulation.runs import session
from simulation.runs.answering import RayWorker
from simulation.runs.ray_cluster import cluster_of
from simulation.runs.runner import run_scenario
from tests.simulation.engine.batch.test_episode import GAMES, MODES, MORE, SHIPPED, drawn, plan_of
from tests.support.two_ways import events_of, rows_of_database


@pytest.fixture(scope="module")
def processes() -> Iterator[SplitAnswering]:
    with closing(SplitAnswering(ProcessWorker, 2)) as split:
        yield split


@pytest.fixture(scope="module")
def actors() -> Iterator[SplitAnswering]:
    pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[ray]'")
    with cluster_of(2) as ray, closing(SplitAnswering(lambda: RayWorker(ray), 2)) as split:
        yield split


def plans() -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield a scenario of every game and mode, and every shipped one, with its roster."""
    for game in GAMES:
        for mode in MODES:
            scenario = drawn(game, mode)
            yield scenario, plan_of(scenario).roster
    for name in (*SHIPPED, *MORE):
        plan = make_plan(name)
        yield plan.scenario.model_dump(mode="json") | {"inference": {"tiers": ["simulated"]}}, plan.roster


def played_alike(split: SplitAnswering, out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Play all plans by this process and by workers; return how many parts workers answered."""
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

    for number, (scenario, roster) in enumerate(plans()):
        columns = {**scenario, "prompts": "off"}
        alone = run_scenario(columns, roster=roster, out=out / f"{number}-alone")
        with monkeypatch.context() as patch:
            patch.setattr(session, "answering_of", shared)
            together = run_scenario(columns, roster=roster, out=out / f"{number}-together")
        assert events_of(together) == events_of(alone), scenario
        assert rows_of_database(together) == rows_of_database(alone), scenario
    return len(asked)


@pytest.mark.slow
def test_two_processes_are_the_same_everywhere(
    processes: SplitAnswering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played_alike(processes, tmp_path, monkeypatch) > 1_000


@pytest.mark.slow
def test_ray_is_the_same_everywhere(actors: SplitAnswering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert played_alike(actors, tmp_path, monkeypatch) > 1_000

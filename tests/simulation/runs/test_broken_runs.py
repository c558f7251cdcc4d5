"""Run directories that came to harm: each ends in one clear error or a right result, never in a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.inference.provenance import Tier
from agents.problems import SocietyError
from simulation.cli.app import app
from simulation.plan import Plan
from simulation.runs.runner import run_scenario


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan.load("first_contact", {"tasks.0.max_steps": "1"})
    out = tmp_path_factory.mktemp("whole")
    return run_scenario(plan, tier=Tier.SIMULATED, episodes=1, out=out).path


def _bytes(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(change((run / name).read_bytes())) and None


def _flipped(share: float, bit: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        place = int(len(data) * share)
        return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]

    return change


def _loop(name: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(run / name)

    return change


def _folder(name: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return change


CLEAR = (SocietyError, OSError, SystemExit, type(None))
"""What `main` tells in a line."""
EVENTS, MANIFEST, TABLE = "events.jsonl", "manifest.json", "tables/calls.parquet"
FILES = (MANIFEST, EVENTS, TABLE)
MANIFESTS = (b"null", b"[]", b"{}", b"7", b'"x"', b'{"schema_version": 999}', b'{"status": 3}', b"\xff", b"[" * 9999)
LINES = (
    *(b"null", b"[]", b"{}", b"7", b"\xff", b"x" * 4_000_000, b"[" * 9999),
    *(b'{"type": "Unheard"}', b'{"type": ["x"]}', b'{"type": "CallMade", "record": 3}'),
    *(b'{"type": "StepResolved", "rows": 1}', b'{"type": "EpisodeEnded"}'),
)


def _all_harm() -> Iterator[tuple[str, Callable[[Path], None]]]:
    for name in FILES:
        yield f"{name} missing", lambda run, name=name: (run / name).unlink()
        yield f"{name} a symlink loop", _loop(name)
        yield f"{name} a folder", _folder(name)
        for at in (0, 0.3, 0.9):
            yield f"{name} torn at {at}", _bytes(name, lambda data, at=at: data[: int(len(data) * at)])
        for at in (0.0, 0.11, 0.5, 0.83):
            for bit in (1, 128):
                yield f"{name} with bit {bit} flipped at {at}", _bytes(name, _flipped(at, bit))
    for noted in (b'"pandas_type"', b'"index_columns":', b'"float64"'):  # what pandas notes for itself in a table
        yield f"{TABLE} without {noted!r}", _bytes(TABLE, lambda data, noted=noted: data.replace(noted, noted[::-1]))
    for text in MANIFESTS:
        yield f"manifest is {text[:30]!r}", _bytes(MANIFEST, lambda _, text=text: text)
    for line in LINES:
        yield f"events with {line[:30]!r}", _bytes(EVENTS, lambda data, line=line: line + b"\n" + data)


HARM = dict(_all_harm())


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARM)
def test_harm_ends_in_a_clear_error_or_a_right_result(harm: str, whole: Path, tmp_path: Path) -> None:
    for command in (["calls"], ["resume"]):
        run = tmp_path / command[0]
        shutil.copytree(whole, run)
        HARM[harm](run)
        ended = CliRunner().invoke(app, [*command, str(run)])
        assert isinstance(ended.exception, CLEAR), (command, ended.exception)
        assert len(str(ended.exception)) < 2_000
        assert len(ended.output) < 20_000
        assert "Traceback" not in ended.output

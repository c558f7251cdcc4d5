"""`society run` in one process, `society view` in another, and a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from simulation.plan import Plan
from simulation.runs.runner import resume_run, run_scenario
from simulation.store.events import MessageSent
from simulation.store.log import EventLog, encode, read_events
from simulation.store.run_directory import locked
from simulation.watch.follower import find_run
from simulation.watch.view import LiveView, WatchStatus
from tests.simulation.watch.joined import joined
from tests.simulation.watch.test_follower import copy_of
from tests.simulation.watch.test_server import until_finished, views
from tests.simulation.watch.test_state import assert_equals_tables

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
SCRIPT = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@contextmanager
def command(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`society`, running in that folder; killed at the end of the block if it still runs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "simulation.cli.app", *arguments]
    with subprocess.Popen(
        line, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(watch: subprocess.Popen[str]) -> str:
    assert watch.stdout is not None
    return watch.stdout.readline().strip()


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl-C; the exit code and the output."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    return process.returncode, err


def written(log: Path) -> bytes:
    return log.read_bytes() if log.exists() else b""  # the directory exists before its log


def killed_in_the_middle(folder: Path) -> Path:
    """The directory of a run whose process was killed."""
    runs = folder / "runs"
    with command(folder, "run", "first_contact", "--tier", "simulated", "--episodes", "100") as run:
        while (path := find_run(runs)) is None or b"EpisodeEnded" not in written(path / EventLog.NAME):
            assert run.poll() is None
            time.sleep(0.01)
    return path


async def test_watch_follows_a_run_of_another_process(tmp_path: Path) -> None:
    """Watched before it begins, killed, resumed, and read by two readers who connect at different times."""
    with command(tmp_path, "watch") as watch:
        address = await asyncio.to_thread(address_of, watch)
        async with aiohttp.ClientSession() as session:
            early = asyncio.create_task(until_finished(views(session, address)))
            path = await asyncio.to_thread(killed_in_the_middle, tmp_path)
            late = asyncio.create_task(until_finished(views(session, address)))
            run = await asyncio.to_thread(resume_run, path)
            seen: list[list[LiveView]] = await asyncio.wait_for(asyncio.gather(early, late), 60)
        code, err = await asyncio.to_thread(interrupted, watch)
    assert seen[0][0].progress.status is WatchStatus.WAITING
    assert any(view.progress.status is WatchStatus.RUNNING for view in seen[0])
    for each in seen:
        assert_equals_tables(joined(each), run)
        assert joined(each).progress.resumed == 1
    assert code == 0
    assert "Traceback" not in err


@pytest.mark.parametrize("options", [(), ("--terminal",)])
def test_ctrl_c_ends_watching_without_an_error(tmp_path: Path, options: tuple[str, ...]) -> None:
    with command(tmp_path, "view", "nothing-yet", *options) as watch:
        assert watch.stderr is not None
        assert "waiting for nothing-yet to begin" in watch.stderr.readline()
        if not options:
            address_of(watch)
        time.sleep(0.5)
        code, err = interrupted(watch)
    assert code == 0
    assert "Traceback" not in err


def test_the_page_follows_in_a_browser(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    """Live, without console errors, dark and on a phone; messages are always text."""
    from playwright.sync_api import expect, sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    finished = run_scenario(make_plan(episodes=4), out=tmp_path / "runs")
    events = [evil(event) for event in read_events(finished.path / EventLog.NAME)]
    half = len(events) // 2
    log = copy_of(finished, tmp_path / "copy")
    append(log, events[:half])
    with locked(log.parent), command(tmp_path, "view", "copy") as watch, sync_playwright() as playwright:
        address = address_of(watch)
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        expect.set_options(timeout=30_000)
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        status = page.locator("#status")
        expect(page.locator("#entries li").first).to_be_visible()
        expect(status).to_contain_text("running")
        first = page.text_content("#shown")
        append(log, events[half:])
        expect(status).to_have_text("finished")
        assert page.text_content("#shown") != first
        said = sum(map(len, (finished.messages, finished.decisions)))
        assert page.text_content("#shown") == f"{said} shown, newest first; {said} in all"
        payoffs = page.eval_on_selector_all("#rows tbody tr", "rows => rows.map((row) => row.cells[4].textContent)")
        totals = finished.steps.groupby("model_id", observed=True)["payoff"].sum().sort_values(ascending=False)
        assert [float(text.replace(",", "")) for text in payoffs] == pytest.approx(list(totals), rel=1e-4)
        assert page.locator("#lines polyline").count() == len(totals)
        expect(page.locator("#answer")).to_contain_text("Who did best")

        page.locator("#kind").focus()
        page.keyboard.press("m")  # messages
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "hold"
        assert page.locator("#entries li").count() == len(finished.messages)
        assert page.locator("#entries p").first.text_content() == SCRIPT
        assert page.locator("#entries img, #entries script").count() == 0
        assert page.title() == "4/4 small"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert complaints == []
        assert interrupted(watch)[0] == 0
        expect(status).to_contain_text("trying again")
        browser.close()


def evil(event: object) -> object:
    return MessageSent(**{**vars(event), "text": SCRIPT}) if isinstance(event, MessageSent) else event


def append(log: Path, events: list[object]) -> None:
    with log.open("ab") as file:
        file.write(b"".join(encode(event) + b"\n" for event in events))  # type: ignore[arg-type]

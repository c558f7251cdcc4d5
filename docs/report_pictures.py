"""Make the pictures of the documentation: python -m docs.report_pictures

It tells a recorded run of real adapters, plays a small simulated tournament and an effect, and takes pictures of the
answer block in a terminal of 80 and 120 columns, of the report (light, dark, on a phone), of the page of all runs, and
of the tournament's page. It needs a Chromium (apt-get install chromium, or SOCIETY_CHROMIUM) and the development
packages.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from simulation import hold_tournament, measure_effect, run_scenario
from simulation.cli.console import show_answer
from simulation.cli.view import comparison_page, report_page
from simulation.report import write_report
from simulation.runs.recorded import recorded_run
from simulation.tables.run import Run
from simulation.watch.home import HomePage
from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).resolve().parent
WIDE, PHONE = {"width": 1180, "height": 1180}, {"width": 390, "height": 844}
COLOURS = 64
"""Of a picture's palette: fewer make a smaller file."""
TERMINAL = """\
<body style="margin:0;display:inline-block;background:#1b1d22"><pre style="margin:0;padding:18px 22px;color:#e8e6e1;\
font:14px/1.45 'DejaVu Sans Mono',monospace">{code}</pre></body>"""


def main() -> None:
    """Take every picture."""
    with TemporaryDirectory() as folder, chromium() as browser:
        os.chdir(folder)  # paths in pictures are short
        runs = Path("runs")
        demo = recorded_run("first_contact_embedded", out=runs)
        game = hold_tournament("first_contact", "prisoners_dilemma", tier="simulated", episodes=8, out=runs)
        measure_effect("first_contact", ["silenced"], tier="simulated", episodes=6, out=runs)
        run_scenario("team_battle", tier="simulated", out=runs)
        for width in (80, 120):
            terminal_picture(browser, demo, width)
        report_pictures(browser, write_report([demo.path], Path(folder) / "report.html"))
        tournament = write_report([game.path], Path(folder) / "tournament.html")
        with opened(browser, tournament.as_uri(), {"width": 1180, "height": 960}) as page:
            save(page, "tournament_page")
        with served(runs.absolute()) as address, opened(browser, address, {"width": 1180, "height": 490}) as page:
            save(page, "view_page")


def terminal_picture(browser: Browser, run: Run, width: int) -> None:
    """Take a picture of the answer block in a terminal of so many columns."""
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True)
    show_answer(run, console)
    code = console.export_html(theme=DIMMED_MONOKAI, inline_styles=True, code_format="{code}").strip()
    page = browser.new_page(viewport={"width": 10 * width, "height": 300})
    page.set_content(TERMINAL.format(code=code))
    shrunk(page.locator("body").screenshot(), f"answer_{width}")
    page.close()


def report_pictures(browser: Browser, report: Path) -> None:
    """Take pictures of the top of a report: light, dark, on a phone."""
    for name, size, theme in (("light", WIDE, "light"), ("dark", WIDE, "dark"), ("phone", PHONE, "light")):
        with opened(browser, report.as_uri(), size, theme) as page:
            save(page, f"report_{name}")


@contextmanager
def opened(browser: Browser, address: str, size: dict[str, int], theme: str = "light") -> Iterator[Page]:
    """Open a page and wait until it is drawn."""
    page = browser.new_page(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
    page.goto(address)
    page.wait_for_selector("html[data-ready=true], tbody tr")
    page.evaluate("document.getElementById('language')?.remove()")  # not every machine has Chinese fonts
    page.wait_for_timeout(1000)
    yield page
    page.close()


def save(page: Page, name: str) -> None:
    """Take a picture of what is in sight."""
    shrunk(page.screenshot(), name)


def shrunk(png: bytes, name: str) -> None:
    """Save a picture with few colours."""
    from PIL import Image

    picture = Image.open(BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(HERE / f"{name}.png", optimize=True)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the page of all runs in a thread; its address."""
    ready, address, end, loop = threading.Event(), [""], asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with HomePage(folder, report_page, comparison_page).serve(0) as found:
            address[0] = found
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


if __name__ == "__main__":
    main()

"""The report in a real Chromium: every control works, and the console stays empty."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.report import write_report
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

HOSTILE = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'> \x1b[31m"
SLACK = 3  # how much slower a machine is that runs all tests


@contextmanager
def opened(browser: Browser, path: Path, **context: object) -> Iterator[Page]:
    """The drawn page; at the end its console must be empty."""
    said: list[str] = []
    page = browser.new_page(**context)  # type: ignore[arg-type]
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=true]")
    yield page
    assert said == []
    page.close()


def settled(page: Page, script: str) -> float:
    """Seconds until the browser has run `script` and drawn the result."""
    drawn = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
    begun = time.perf_counter()
    page.evaluate(script)
    page.evaluate(drawn)
    return time.perf_counter() - begun


def test_every_control_works(small_run: Run, browser: Browser, tmp_path: Path) -> None:
    path = write_report([small_run.path], tmp_path / "report.html")
    with opened(browser, path, color_scheme="light") as page:
        assert "SIMULATED" in page.inner_text("#honesty")
        assert "simulated leader" in page.inner_text("#answer")
        assert "cooperator" in page.inner_text("#players-table")  # the roster's adapter, beside who played
        page.locator("#outcomes").scroll_into_view_if_needed()
        for figure in ("payoff", "cooperation_score", "efficiency", "accuracy", "reward_earned"):
            page.select_option("#outcome-figure", figure)
        for by in ("adapter", "role", "mode", "team"):
            page.select_option("#outcome-by", by)
        page.wait_for_selector("#outcome-charts svg.figure")
        assert page.locator("#outcome-charts svg.figure").count() > 0
        page.locator("#course").scroll_into_view_if_needed()
        page.wait_for_selector("#course-chart svg.figure")
        page.select_option("#course-figure", "cooperation")

        page.locator("#network").scroll_into_view_if_needed()
        whole = page.inner_text("#network-text")
        assert str(small_run.messages["audience"].map(len).sum()) in whole
        page.focus("#network-step")
        page.keyboard.press("Home")
        assert page.inner_text("#network-at") == "1–1"
        assert page.inner_text("#network-text") != whole
        page.focus("#network-canvas")
        page.keyboard.press("ArrowRight")
        assert "m0" in page.inner_text("#network-text")

        every = len(small_run.messages) + len(small_run.decisions)
        assert page.inner_text("#found") == f"{every} of {every}"
        page.select_option("#filter-kind", label="message")
        assert page.inner_text("#found").startswith(f"{len(small_run.messages)} of")
        page.select_option("#filter-sender", label="m1")
        page.fill("#filter-step", "2")
        mine = small_run.messages.query("sender == 'm1' and step == 1")
        assert page.inner_text("#found").startswith(f"{len(mine)} of")
        page.locator(".row").first.click()
        page.wait_for_selector("#detail pre")
        detail = page.inner_text("#detail")
        assert str(mine["text"].iloc[0]) in detail
        assert "Prompt · system" in detail
        page.click("#clear")
        page.focus("#list")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.locator(".row[aria-selected=true]").count() == 1
        page.locator("#messages h2").click()
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.type("no such words at all")
        assert page.inner_text("#found").startswith("0 of")

        page.click("#theme")
        assert page.get_attribute("html", "data-theme") == "dark"
        page.click("#language")
        assert page.inner_text("#outcomes h2") == "结果"
        assert page.get_attribute("html", "lang") == "zh-CN"
        page.locator("#calls").scroll_into_view_if_needed()
        page.wait_for_selector("#latency-chart p")
        assert page.locator("#calls-table tbody tr").count() > 0
        assert "iqm" in page.inner_text("#metrics-table")


def test_a_phone_can_read_it(small_run: Run, browser: Browser, tmp_path: Path) -> None:
    path = write_report([small_run.path], tmp_path / "report.html", prompts=False)
    with opened(browser, path, viewport={"width": 390, "height": 844}) as page:
        for section in ("outcomes", "course", "network", "messages", "calls"):
            page.locator(f"#{section}").scroll_into_view_if_needed()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_spread_is_drawn(make_plan: Callable[..., Plan], runs: Path, browser: Browser, tmp_path: Path) -> None:
    parameters = {"platform": "twitter", "actions": ["repost"], "posts": [{"author": "m0", "text": "first"}]}
    network = {"task_id": "net", "task_type": "social_network", "max_steps": 3, "parameters": parameters}
    talk = {"task_id": "talk", "task_type": "opinion", "max_steps": 3}
    run = run_scenario(make_plan(6, mode="cooperative", episodes=1, tasks=[network, talk]), out=runs)
    path = write_report([run.path], tmp_path / "report.html", prompts=False)
    with opened(browser, path) as page:
        page.locator("#spread").scroll_into_view_if_needed()
        page.wait_for_selector("#spread .chart:nth-child(2) circle")
        assert page.locator("#spread .chart:nth-child(1) polygon").count() == 3
        assert page.locator("#spread .chart:nth-child(2) circle").count() == len(run.posts)


def test_report_without_spread_has_no_such_section(small_run: Run, browser: Browser, tmp_path: Path) -> None:
    path = write_report([small_run.path], tmp_path / "report.html", prompts=False)
    with opened(browser, path) as page:
        assert not page.locator("#spread").is_visible()
        assert "#spread" not in page.inner_html("#nav")


def test_several_runs_are_chosen_from(
    make_plan: Callable[..., Plan], runs: Path, browser: Browser, tmp_path: Path
) -> None:
    for mode in ("cooperative", "competitive"):
        run_scenario(make_plan(mode=mode), out=runs)
    path = write_report([runs], tmp_path / "report.html")
    with opened(browser, path) as page:
        first = page.inner_text("#subtitle")
        page.select_option("#run", "1")
        page.wait_for_function(f"document.querySelector('#subtitle').textContent !== {first!r}")
        page.wait_for_function("document.querySelectorAll('.row').length > 0")


def test_every_study_shows_its_banner(make_plan: Callable[..., Plan], browser: Browser, tmp_path: Path) -> None:
    from simulation.studies.measure import hold_tournament
    from simulation.training.start import train_scenario

    game = hold_tournament("first_contact", "chicken", tier="simulated", episodes=2, out=tmp_path)
    training = train_scenario("dilemma_tables", set={"training.method": "exact"}, updates=1, out=tmp_path)
    path = write_report([game.path, training.path], tmp_path / "report.html")
    assert path.stat().st_size < 300_000
    with opened(browser, path) as page:
        shown = page.locator(".banner").all_inner_texts()
        assert len(shown) == 2
        for banner, text in zip((game.banner, training.banner), shown, strict=True):
            assert text.splitlines() == [banner.title, *banner.lines()]
        assert page.locator(".banner .loud").count() == 2  # of the tournament: SIMULATED, twice
        assert page.inner_text("#title") == f"{game.banner.title}, {training.banner.title}"
        assert not page.is_visible("#honesty")  # no empty banner of a run
        page.locator("#trainings").scroll_into_view_if_needed()
        page.wait_for_selector("#trainings svg.figure")


def test_hostile_messages_do_nothing(
    make_plan: Callable[..., Plan], runs: Path, browser: Browser, tmp_path: Path
) -> None:
    with in_thread(ScriptedVLLM(says=HOSTILE)) as server:
        keys = {"tiers": ["http"], "endpoints": [server.url], "max_tokens": 200}
        run = run_scenario(make_plan(episodes=1, inference=keys), out=runs)
    path = write_report([run.path], tmp_path / "report.html")
    with opened(browser, path) as page:
        page.locator("#messages").scroll_into_view_if_needed()
        page.locator(".row").first.click()
        page.wait_for_selector("#detail pre")
        assert "<script>window.hurt" in page.inner_text("#detail")
        assert page.evaluate("window.hurt") is None


def test_report_of_20_000_messages_is_fast(
    make_plan: Callable[..., Plan], runs: Path, browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measure and print; fail only where a busy machine is no explanation."""
    rows = tuple(
        ModelConfig(model_id=team, model_name="cooperator", team_id=team, count=50) for team in ("red", "blue")
    )
    tasks = [{"task_id": "goods", "task_type": "public_goods", "max_steps": 20}]
    talk = {"topology": "ring", "talk_rounds": 5}
    run = run_scenario(make_plan(rows=rows, episodes=2, tasks=tasks, communication=talk), out=runs)
    assert len(run.messages) == 20_000
    path = write_report([run.path], tmp_path / "report.html", prompts=False)

    begun = time.perf_counter()
    with opened(browser, path) as page:
        took = time.perf_counter() - begun
        every = f"{len(run.messages) + len(run.decisions):,}"
        assert page.inner_text("#found") == f"{every} of {every}"
        page.locator("#messages").scroll_into_view_if_needed()
        page.evaluate("() => drawing")  # the charts nearby, which are drawn now
        find = "document.querySelector('#search').value = 'cooperat'; filterTexts()"
        pick = "document.querySelector('#filter-sender').selectedIndex = 7; filterTexts()"
        filters = [settled(page, script) for script in (find, pick, find)]
        assert page.locator(".row").count() < 60  # the page has only the visible rows
        page.evaluate("document.querySelector('#list').scrollTop = 1e6")
    with capsys.disabled():
        print(f"\n20,000 messages: open {took:.2f} s, filters {', '.join(f'{each:.3f}' for each in filters)} s")  # noqa: T201
    assert took < 3 * SLACK
    assert max(filters) < 0.3 * SLACK

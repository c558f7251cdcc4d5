"""The home page in a real Chromium: it sorts, searches, opens, compares and comes back; its console stays empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.roster import ModelConfig
from simulation.cli.view import comparison_page, report_page
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.store.run_directory import write_manifest
from simulation.watch.home import HomePage

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror='window.hurt = 1'>"


async def test_page_sorts_searches_opens_and_compares(make_plan: Callable[..., Plan], runs: Path) -> None:
    from playwright.async_api import async_playwright

    from tests.support.browser import ARGUMENTS, chromium_path

    rows = (ModelConfig(model_id="a", policy="always_cooperate"), ModelConfig(model_id="b", policy="random"))
    for seed, name in enumerate(("calm", "loud", "third")):
        run = run_scenario(make_plan(rows=rows, mode="cooperative", seed=seed, name=name, episodes=1), out=runs)
    write_manifest(run.path, {**run.manifest, "scenario": {**run.manifest["scenario"], "name": HOSTILE}})
    said: list[str] = []
    async with (
        HomePage(runs, report_page, comparison_page).serve(0) as address,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        page = await browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(address)
        await page.wait_for_selector("tbody tr")
        names = page.locator("tbody td:nth-child(2) a")
        await page.click("th button:has-text('name')")
        falling = await names.all_inner_texts()
        await page.click("th button:has-text('name')")
        assert sorted(falling) == await names.all_inner_texts() == falling[::-1]
        assert HOSTILE in falling  # as text
        await page.fill("#search", "loud public")
        assert await names.all_inner_texts() == ["loud"]
        assert await page.inner_text("#count") == "1 of 3"
        await page.click("tbody td a")
        await page.wait_for_selector("html[data-ready=true]")
        assert await page.inner_text("#title") == "loud"
        await page.click("text=All runs")
        await page.wait_for_selector("tbody tr")
        assert await page.is_disabled("#compare")
        for box in await page.locator("tbody input").all():
            await box.check()
        await page.click("#compare")
        await page.wait_for_selector("html[data-ready=true]")
        assert "3 runs, 3 finished episodes; texts by tier: scripted" in await page.inner_text("#studies .banner")
        assert await page.evaluate("window.hurt") is None
        await browser.close()
    assert said == []

"""Make docs/report_light.png and docs/report_dark.png: python docs/report_pictures.py RUN...

It needs a Chromium (apt-get install chromium, or SOCIETY_CHROMIUM) and the development packages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from simulation.report import write_report
from tests.support.browser import chromium

HERE = Path(__file__).parent
SIZE = {"width": 1180, "height": 1180}


def main(paths: list[str]) -> None:
    """Take a picture of the top of the report in both themes."""
    with TemporaryDirectory() as folder, chromium() as browser:
        report = write_report(paths, Path(folder) / "report.html")
        for theme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=theme)
            page.goto(report.as_uri())
            page.wait_for_selector("html[data-ready=true]")
            page.wait_for_selector("#outcome-charts svg.figure")
            page.wait_for_selector("#course-chart svg.figure")
            page.add_style_tag(content="#language { display: none }")  # not every machine has Chinese fonts
            page.wait_for_timeout(500)
            page.screenshot(path=HERE / f"report_{theme}.png")
            page.close()


if __name__ == "__main__":
    main(sys.argv[1:])

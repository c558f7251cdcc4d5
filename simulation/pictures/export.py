"""Saves a plotly figure as PNG, SVG or a page, by a headless Chromium of this machine: no further package is needed."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agents.problems import SocietyError, UsageError
from simulation.store.files import replace_file, translating_os_errors

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

VARIABLE = "SOCIETY_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
# works as root in a container, and makes no requests of its own for updates and lists
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run")
FORMATS = (".png", ".svg", ".html")
_PATIENCE = 120.0
_DRAW = """\
const figure = {figure};
Plotly.newPlot("figure", figure.data, figure.layout, {{staticPlot: true}})
  .then((drawn) => Plotly.toImage(drawn, {{format: "{kind}", width: {width}, height: {height}, scale: 2}}))
  .then((address) => {{ document.body.textContent = address; }});
"""


def save_picture(figure: Figure, path: str | Path, *, width: int = 900) -> Path:
    """Save a plotly figure and return the file: `save_picture(run.plot.payoffs(), "payoffs.png")`.

    Args:
        figure: The figure.
        path: The file to write; its ending says what: .png, .svg, or .html, which needs no browser.
        width: Width in pixels; a PNG has twice as many.

    Raises:
        UsageError: The ending is another.
        SocietyError: There is no Chromium, it draws nothing, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix not in FORMATS:
        raise UsageError(f"{target}: a picture's file ends in {', '.join(FORMATS)}")
    with translating_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".html":
            content = figure.to_html(include_plotlyjs=True).encode()
        else:
            content = _drawn(figure, target, width)
        replace_file(target, content)
    return target


def chromium_path() -> str:
    """Return the path of a Chromium of this machine.

    Raises:
        SocietyError: There is none; the message says how to install one.
    """
    found = os.environ.get(VARIABLE) or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise SocietyError(
            f"no Chromium to draw with: `apt-get install chromium`, let {VARIABLE} name one, or save it as .html"
        )
    return found


def _drawn(figure: Figure, target: Path, width: int) -> bytes:
    """Return the picture that a browser draws."""
    from plotly.offline import get_plotlyjs

    data, height = figure.to_json().replace("</", "<\\/"), int(figure.layout.height or 450)
    script = _DRAW.format(figure=data, kind=target.suffix[1:], width=width, height=height)
    scripts = f"<script>{get_plotlyjs()}</script><script>{script}</script>"
    page = f'<meta charset="utf-8"><body><div id="figure"></div>{scripts}'
    browser = chromium_path()
    # the page lies beside the picture, as a snap reads none in /tmp; a profile needs links, which not every disk has
    with (
        TemporaryDirectory(prefix="figure-", dir=target.resolve().parent) as folder,
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        (file := Path(folder) / "figure.html").write_text(page, encoding="utf-8")
        shown, told = _opened(browser, file, profile)
    found = re.search(r"<body>(data:image/[^<]+)", shown)
    if found is None:
        raise SocietyError(f"{browser} drew no picture: {told.strip()[-300:]}; save it as .html")
    return _content(unescape(found[1]))


def _opened(browser: str, page: Path, profile: str) -> tuple[str, str]:
    """Return a page as a browser has it when its scripts are done, and what the browser complains about."""
    options = ["--headless", *ARGUMENTS, f"--user-data-dir={profile}", "--dump-dom", "--virtual-time-budget=20000"]
    command = [browser, *options, page.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except OSError as error:
        why = f"{browser} cannot be started ({error.strerror})"
        raise SocietyError(f"{why}: let {VARIABLE} name a Chromium, or save it as .html") from error
    except subprocess.TimeoutExpired as error:
        why = f"{browser} drew no picture in {_PATIENCE:g} s"
        raise SocietyError(f"{why}: let {VARIABLE} name another Chromium, or save it as .html") from error
    return done.stdout, done.stderr


def _content(address: str) -> bytes:
    """Return the content of a data: address."""
    head, body = address.split(",", 1)
    return base64.b64decode(body) if head.endswith(";base64") else unquote(body).encode()

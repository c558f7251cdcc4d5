"""A picture as a file, drawn by the Chromium of this machine."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
import pytest

from agents.problems import SocietyError, UsageError
from simulation.pictures.export import VARIABLE, save_picture

FIGURE = go.Figure(go.Scatter(x=[1, 2], y=[3, 5]), {"title": {"text": "two </script> points"}, "height": 300})


@pytest.mark.slow
def test_png_and_svg_are_drawn_by_a_browser(tmp_path: Path) -> None:
    png = save_picture(FIGURE, tmp_path / "new" / "two.png", width=500).read_bytes()
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (1000, 600)
    svg = save_picture(FIGURE, tmp_path / "two.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "two" in svg


def test_page_needs_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/no/such/browser")
    assert "Plotly.newPlot" in save_picture(FIGURE, tmp_path / "two.html").read_text(encoding="utf-8")


def test_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.png, \.svg, \.html"):
        save_picture(FIGURE, tmp_path / "two.pdf")


def test_machine_without_a_browser_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SocietyError, match=r"apt-get install chromium.*\.html"):
        save_picture(FIGURE, tmp_path / "two.png")
    assert not (tmp_path / "two.png").exists()


def browser(place: Path, *lines: str) -> Path:
    """A program that is called as a browser is."""
    place.write_text("\n".join(("#!/bin/sh", *lines)))
    place.chmod(0o755)
    return place


def test_named_browser_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/no/such/browser")
    with pytest.raises(SocietyError, match=rf"/no/such/browser cannot be started.*{VARIABLE}.*\.html"):
        save_picture(FIGURE, tmp_path / "two.png")


def test_browser_that_hangs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(browser(tmp_path / "slow", "exec sleep 20")))
    monkeypatch.setattr("simulation.pictures.export._PATIENCE", 0.2)
    with pytest.raises(SocietyError, match=rf"slow drew no picture in 0\.2 s.*{VARIABLE}.*\.html"):
        save_picture(FIGURE, tmp_path / "new" / "two.png")
    assert not list((tmp_path / "new").iterdir())


def test_page_to_draw_lies_beside_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some browsers, those of a snap, cannot read the folder for temporary files."""
    seen = f'for page; do :; done; echo "$page" > {tmp_path}/page'
    drawn = "echo '<body>data:image/png;base64,aGk=</body>'"
    monkeypatch.setenv(VARIABLE, str(browser(tmp_path / "quick", seen, drawn)))
    picture = save_picture(FIGURE, tmp_path / "new" / "two.png")
    assert picture.read_bytes() == b"hi"
    assert (tmp_path / "page").read_text().startswith(f"{(tmp_path / 'new').as_uri()}/")
    assert list(picture.parent.iterdir()) == [picture]

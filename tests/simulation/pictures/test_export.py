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

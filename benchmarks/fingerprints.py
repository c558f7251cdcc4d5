"""Write docs/fingerprints.md and its picture from the committed figures.

society study fingerprint first_contact --tier embedded --episodes 12 --seed 1
cp runs/fingerprint-.../fingerprint.json docs/fingerprints.json
python -m benchmarks.fingerprints
"""

from __future__ import annotations

from benchmarks.measure import ROOT, between_marks
from simulation.studies.fingerprint.picture import markdown, picture
from simulation.studies.fingerprint.report import FingerprintReport, load_report

DOCS = ROOT / "docs"
FIGURES, PICTURE, PAGE = DOCS / "fingerprints.json", DOCS / "fingerprints.svg", DOCS / "fingerprints.md"


def page(text: str, report: FingerprintReport) -> str:
    """Return the page with the report's tables and origin between its marks."""
    return between_marks(text, f"{markdown(report)}\n\n{_origin(report)}")


def _origin(report: FingerprintReport) -> str:
    origin = report.origin
    lines = [f"| {name} | {weights} |" for name, weights in origin.weights.items()]
    versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
    return "\n".join(["| model | weights |", "|---|---|", *lines, "", f"Made with {versions}."])


def main() -> None:
    report = load_report(FIGURES)
    PICTURE.write_text(picture(report), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()

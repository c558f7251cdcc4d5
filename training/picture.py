"""The README's picture, drawn from the measured figures.

python -m training.picture        # training/figures.json -> docs/p_cooperate.svg
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Template

from training.evaluate_adapters import FIGURES, PASTS

PICTURE = Path(__file__).parent.parent / "docs" / "p_cooperate.svg"
DEFECT, COOPERATE = (190, 74, 47), (38, 128, 110)
_TEMPLATE = Template("""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {{ 106 + 46 * rows | length }}" \
font-family="system-ui, sans-serif" role="img" aria-label="P(cooperate) per adapter and past">
<rect width="100%" height="100%" rx="10" fill="#fbfaf7"/>
<text x="24" y="34" font-size="17" font-weight="600" fill="#222">What a LoRA adapter does to the same base model</text>
<text x="24" y="56" font-size="12.5" fill="#555">Measured P(cooperate) in the prisoner's dilemma, after (own, partner) \
last move; {{ count }} held-out prompts a cell</text>
{% for past in pasts -%}
<text x="{{ 256 + 92 * loop.index0 }}" y="82" font-size="13" text-anchor="middle" fill="#333">{{ past }}</text>
{% endfor -%}
{% for name, cells in rows -%}
{% set y = 92 + 46 * loop.index0 -%}
<text x="24" y="{{ y + 26 }}" font-size="13.5" fill="#222">{{ name }}</text>
{% for value, colour in cells -%}
<rect x="{{ 212 + 92 * loop.index0 }}" y="{{ y }}" width="88" height="42" rx="4" fill="{{ colour }}"/>
<text x="{{ 256 + 92 * loop.index0 }}" y="{{ y + 26 }}" font-size="14" text-anchor="middle" fill="#fff">\
{{ "%.2f" | format(value) }}</text>
{% endfor -%}
{% endfor -%}
</svg>
""")


def colour(share: float) -> str:
    """From defection's colour at 0 to cooperation's at 1."""
    mixed = (round(a + (b - a) * share) for a, b in zip(DEFECT, COOPERATE, strict=True))
    return f"rgb({','.join(map(str, mixed))})"


def draw(figures: dict[str, Any]) -> str:
    """The picture as SVG."""
    rows = [
        (adapter, [(means[past], colour(means[past])) for past in PASTS])
        for adapter, means in figures["p_cooperate"].items()
    ]
    return _TEMPLATE.render(rows=rows, pasts=list(PASTS), count=figures["prompts_per_cell"])


def main() -> None:
    PICTURE.write_text(draw(json.loads(FIGURES.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()

"""mkdocs' hook: the pages of `reference/` are made from the code, and links out of `docs/` are made whole."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from docs.builders import commands, figures, keys, names  # noqa: E402  found from the root only

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/commands.md": commands.page,
    "reference/scenario.md": keys.scenario_page,
    "reference/roster.md": keys.roster_page,
    "reference/tables.md": figures.tables_page,
    "reference/games.md": figures.games_page,
    "reference/metrics.md": figures.metrics_page,
    "reference/python.md": names.page,
}
ON_SITE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
"""Files of the root that are pages of the site, too."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """The navigation without the pages of `extra.where_there` that are not there."""
    here = {page for file, page in ON_SITE.items() if (ROOT / file).exists()}
    absent = {page for page in config.extra["where_there"] if page not in here and not (ROOT / "docs" / page).exists()}
    config.nav = _without(absent, config.nav or [])
    return config


def _without(pages: Set[str], nav: list[Any]) -> list[Any]:
    kept = []
    for entry in nav:
        ((title, inner),) = entry.items() if isinstance(entry, dict) else ((None, entry),)
        if isinstance(inner, list):
            kept.append({title: _without(pages, inner)})
        elif inner not in pages:
            kept.append(entry)
    return kept


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """The site's files with those that are made."""
    from mkdocs.structure.files import File

    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    for name, path in ON_SITE.items():
        if (ROOT / name).exists():
            files.append(File.generated(config, path, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with links to files that are no page of the site as plain text, and with links of the root's files."""
    if page.file.src_uri in ON_SITE.values():
        markdown = LINK.sub(lambda link: f"]({link.group(1).removeprefix('docs/')}", markdown)
    return re.sub(r"\[([^\]]+)\]\(((?:\.\./)+(?!explanation|howto|reference)[^)]*)\)", _outside, markdown)


def _outside(link: re.Match[str]) -> str:
    """A link that leaves the site, as a name; files of the root that are pages keep theirs."""
    title, path = link.group(1), link.group(2)
    target = path.rsplit("../", 1)[-1]
    if target in ON_SITE:
        return f"[{title}]({path.replace('../' + target, ON_SITE[target])})"
    return link.group(0) if _is_page(target) else title


def _is_page(target: str) -> bool:
    return target.endswith(".md") and (ROOT / "docs" / target).exists() and not (ROOT / target).exists()

"""The hook of mkdocs: it makes the pages of `reference/` from the code and adapts links that lead out of `docs/`."""

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
"""Files of the root that are also pages of the site."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """Remove the pages of `extra.if_exists` that do not exist from the navigation."""
    here = {page for file, page in ON_SITE.items() if (ROOT / file).exists()}
    absent = {page for page in config.extra["if_exists"] if page not in here and not (ROOT / "docs" / page).exists()}
    config.nav = _without(absent, config.nav or [])
    return config


def _without(pages: Set[str], nav: list[Any]) -> list[Any]:
    rest = []
    for entry in nav:
        ((title, inner),) = entry.items() if isinstance(entry, dict) else ((None, entry),)
        if isinstance(inner, list):
            rest.append({title: _without(pages, inner)})
        elif inner not in pages:
            rest.append(entry)
    return rest


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages that are made from the code, and the root's pages, to the site's files."""
    from mkdocs.structure.files import File

    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    for name, path in ON_SITE.items():
        if (ROOT / name).exists():
            files.append(File.generated(config, path, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Adapt a page's links: those of the root's files, and those to files that are not a page of the site."""
    if page.file.src_uri in ON_SITE.values():
        markdown = LINK.sub(lambda link: f"]({link.group(1).removeprefix('docs/')}", markdown)
    return re.sub(r"\[([^\]]+)\]\(((?:\.\./)+(?!explanation|howto|reference)[^)]*)\)", _outside, markdown)


def _outside(link: re.Match[str]) -> str:
    """Return a link to a file of the root: to its page if it has one, else only its title."""
    title, path = link.group(1), link.group(2)
    target = path.rsplit("../", 1)[-1].partition("#")[0]
    if target in ON_SITE:
        page = path.replace(f"../{target}", ON_SITE[target])
        return f"[{title}]({page})"
    return link.group(0) if _is_page(target) else title


def _is_page(target: str) -> bool:
    return target.endswith(".md") and (ROOT / "docs" / target).exists() and not (ROOT / target).exists()

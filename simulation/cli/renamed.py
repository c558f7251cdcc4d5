"""Names that commands and options had before: they work for this version, with one line on stderr that says the new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

STUDIES = (
    *("compare", "metrics", "calls", "quality", "effect", "fingerprint", "population", "tournament"),
    *("exploit", "replay", "verify"),
)
"""The commands that are below `society study`."""

ONLY_NOW = "the old name works in this version only"

COMMANDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    **{(name,): ("study", name) for name in STUDIES},
    ("sweep",): ("run",),
    ("list",): ("ls", "shipped"),
    ("games",): ("show",),
    ("roster", "new"): ("new", "roster"),
    ("roster", "show"): ("show",),
    ("scenario", "new"): ("new", "scenario"),
    ("schema",): ("new", "schema"),
    ("adapters",): ("serve", "adapters"),
    ("model",): ("serve", "model"),
}
"""The old words of a command -> the new."""

OPTIONS: Mapping[str, str] = {"--at-once": "--jobs"}
EXPLOIT: Mapping[str, tuple[str, str]] = {
    **{f"--{key}": ("--how", f"{key}=") for key in ("norm", "epsilon", "updates", "starts", "exploiter", "episodes")},
    "--responder": ("--how", "responders="),
    **dict.fromkeys(("--game", "--scenario"), ("--in", "")),
    **dict.fromkeys(("--roster", "--training"), ("--of", "")),
    "--mode": ("--set", "mode="),
}
"""The old options of `society study exploit` -> the new, and how its value begins."""


class RenamingGroup(TyperGroup):
    """The group of all commands; it takes old names too."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options; those of shell completion work, but take too much room in the help."""
        found = super().get_params(ctx)
        for each in found:
            if isinstance(each, TyperOption) and each.name in ("install_completion", "show_completion"):
                each.hidden = True
        return found

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, with new names in place of old ones."""
        renamed, notices = new_words(args)
        for notice in notices:
            typer.echo(notice, err=True)
        return super().parse_args(ctx, renamed)


def new_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command line with new names in place of old ones, and a notice for each that was replaced."""
    start = next((place for place, word in enumerate(words) if not word.startswith("-")), len(words))
    before, rest, notices = list(words[:start]), list(_apart(words[start:])), []
    for old, new in COMMANDS.items():
        if tuple(rest[: len(old)]) == old:
            after = rest[len(old) :]
            words_now = _place(old, new, after)
            notices.append(_notice(f"society {' '.join(old)}", f"society {' '.join(words_now)}"))
            rest = [*words_now, *after]
            break
    for old_option, option in OPTIONS.items():
        if old_option in rest:
            notices.append(_notice(old_option, option))
            rest = [option if word == old_option else word for word in rest]
    if rest[:2] == ["study", "exploit"]:
        for number, word in enumerate(rest):
            if word in EXPLOIT:
                option, begin = EXPLOIT[word]
                notices.append(_notice(word, f"{option} {begin}".strip()))
                rest[number : number + 2] = [option, *(f"{begin}{value}" for value in rest[number + 1 : number + 2])]
    return [*before, *rest], notices


def _apart(words: Sequence[str]) -> Iterator[str]:
    """Yield words; an old option that has its value behind = becomes two."""
    for word in words:
        name, equals, value = word.partition("=")
        if equals and (name in OPTIONS or (name in EXPLOIT and "exploit" in words)):
            yield from (name, value)
        else:
            yield word


def _place(old: tuple[str, ...], new: tuple[str, ...], after: Sequence[str]) -> tuple[str, ...]:
    """Return the new words, where they depend on what follows: `games` without a name, `sweep` of a folder."""
    from pathlib import Path

    named = [word for word in after if not word.startswith("-")]
    if old == ("games",) and not named and "--help" not in after:
        return ("ls", "games")
    if old == ("sweep",) and named and Path(named[0]).is_dir():
        return ("resume",)
    return new


def _notice(old: str, new: str) -> str:
    return f"`{old}` is now `{new}`; {ONLY_NOW}"

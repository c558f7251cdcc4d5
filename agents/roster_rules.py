"""Rules of a roster beyond the types of its fields. They read raw data, and ignore anything else that is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from agents.findings import Finding, RawMapping, meant_keys, shown
from agents.inference.adapter_folder import UnusableAdapterError, folder_to_name, read_adapter_folder
from agents.problems import nearest
from agents.web_address import address_findings

MAX_ID = 64
MAX_PLAYERS = 1_000_000
MAX_BYTES = 192
"""Longest name in UTF-8: a run's folder is the name with a time and a random suffix, and may have 255 bytes."""
_ALIKE = str.maketrans("аеорсухікѕјһԁԛԝαοινρυχκτ01іı", "aeopcyxiksjhdqwaoivpuxktolii")
"""Cyrillic and Greek letters and digits that look like Latin letters, all in lower case."""
_KINDS = ("model_name", "policy")
_LONGEST_STEM = 56
"""Characters of a model_id that are taken from an adapter's name; a number after them may make it unique."""


def roster_findings(data: RawMapping, *, keys: Sequence[str] = (), row_keys: Sequence[str] = ()) -> Iterator[Finding]:
    """Find everything wrong in a raw roster and its rows that concerns more than the type of one field.

    Args:
        data: The raw roster.
        keys: The keys a roster may have. A misspelt `base_model` is reported as misspelt, and not also as missing.
        row_keys: The keys a row may have, for the same reason.
    """
    rows = mappings(data.get("models"))
    for index, row in rows:
        yield from (finding.under("models", index) for finding in model_findings(row, row_keys))
    yield from _duplicates(rows)
    yield from _base(data, rows, keys)
    total = sum(len(ids) for ids in (row_ids(row) for _, row in rows) if ids)
    if total > MAX_PLAYERS:
        yield Finding(("models",), f"makes {total:,} players; a roster may have {MAX_PLAYERS:,}")


def model_findings(row: RawMapping, keys: Sequence[str] = ()) -> Iterator[Finding]:
    """Find everything wrong in one raw row that concerns more than the type of one field; a row may have `keys`."""
    yield from name_findings("model_id", row.get("model_id"), row.get("count"))
    yield from _kind(row, keys)
    for key, player in (("policy", "scripted player"), ("human", "person")):
        for own in ("adapter", "endpoint", "base_model"):
            if row.get(key) not in (None, False) and row.get(own) is not None:
                yield Finding((own,), f"a {player} has no {own}", f"leave {own} or {key} out")
    yield from address_findings(("endpoint",), row.get("endpoint"))


def name_findings(key: str, name: object, count: object = 1) -> Iterator[Finding]:
    """Find what makes `name`, at `key`, unusable as a name of players, files and tables.

    Args:
        key: The key that the name is given at.
        name: The name; anything but text has no finding here.
        count: The row's `count`: the longest name of its players is checked too.
    """
    if not isinstance(name, str):
        return
    name = composed(name)
    if not 1 <= len(name) <= MAX_ID or not all(map(_is_of_a_name, name)) or _is_mark(name[0]):
        better = re.sub("_+", "_", "".join(each if _is_of_a_name(each) else "_" for each in name)).lstrip(".-")[:MAX_ID]
        hint = f"nearest valid: {better}" if better else ""
        message = f"{shown(name)} may contain only letters, digits, _ - . and at most {MAX_ID} characters"
        yield Finding((key,), message, hint)
    elif name[0] in ".-":
        better = name.lstrip(".-")
        hint = f"nearest valid: {better}" if better else ""
        yield Finding((key,), f"{shown(name)} may not begin with {name[0]}, as hidden files and options do", hint)
    elif len(name.encode()) > MAX_BYTES:
        yield Finding((key,), f"{shown(name)} is longer than {MAX_BYTES} bytes, the most that a folder's name may have")
    elif isinstance(count, int) and 1 < count <= MAX_PLAYERS and len(f"{name}_{count}") > MAX_ID:
        yield Finding((key,), f"{shown(f'{name}_{count}')} is longer than {MAX_ID} characters")


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), in which equal names are equal texts."""
    return unicodedata.normalize("NFC", name)


def _is_of_a_name(letter: str) -> bool:
    """Tell whether a name may have this character: letters of any script with their marks, digits, and _ - ."""
    return letter in "_-." or letter.isalnum() or _is_mark(letter)


def _is_mark(letter: str) -> bool:
    """Tell whether a character combines with the one before it: an accent, or a vowel as of Hindi and Thai."""
    return unicodedata.category(letter) in ("Mn", "Mc")


def _kind(row: RawMapping, keys: Sequence[str]) -> Iterator[Finding]:
    from agents.players.policies import POLICIES

    given = [key for key in _KINDS if row.get(key) is not None]
    policy = row.get("policy")
    if isinstance(policy, str) and policy and policy not in POLICIES:
        yield Finding(("policy",), f"there is no policy {shown(policy)}", nearest(policy, tuple(POLICIES)))
    if row.get("human") is True:
        if given:
            yield Finding((given[0],), f"a person's row has no {given[0]}", f"leave {given[0]} or human out")
        return
    if len(given) == 2:
        both = f"has both a model_name, {shown(row['model_name'])}, and a policy, {shown(policy)}"
        yield Finding((), both, "keep one of the two")
    if not given and not set(_KINDS) & meant_keys(row, keys):
        hint = "model_name asks for a served adapter, policy for a scripted player"
        yield Finding((), "has neither a model_name nor a policy", hint)


def _duplicates(rows: Sequence[tuple[int, RawMapping]]) -> Iterator[Finding]:
    owner: dict[str, int] = {}
    for index, row in rows:
        model_id = row.get("model_id")
        ids = row_ids(row) or ((model_id,) if isinstance(model_id, str) else ())
        taken = next((name for name in ids if name in owner), None)
        if taken is not None:
            message = f"the model_id {shown(taken)} is taken by models.{owner[taken]}"
            yield Finding(("models", index, "model_id"), message, f"nearest free: {_free(taken, owner)}")
        for name in ids:
            owner.setdefault(name, index)


def _free(model_id: str, taken: Container[str]) -> str:
    number = 2
    while f"{model_id}_{number}" in taken:
        number += 1
    return f"{model_id}_{number}"


def _base(data: RawMapping, rows: Sequence[tuple[int, RawMapping]], keys: Sequence[str]) -> Iterator[Finding]:
    if data.get("base_model") is not None or "base_model" in meant_keys(data, keys):
        return
    asking = [
        (i, key)
        for i, row in rows
        for key in ("model_name", "adapter")
        if row.get(key) is not None and row.get("base_model") is None
    ]
    if asking:
        index, key = asking[0]
        value = dict(rows)[index][key]
        yield Finding(("models", index, key), f"asks for {shown(value)}, but the roster has no base_model")


def free_id(name: str, taken: Container[str]) -> str:
    """Return a valid model_id made from an adapter's name that is not among those taken."""
    plain = re.sub(r"[^\w.-]+", "_", name.rstrip("/").rsplit("/", 1)[-1])[:_LONGEST_STEM].strip("_.") or "model"
    number = 1
    while (plain if number == 1 else f"{plain}_{number}") in taken:
        number += 1
    return plain if number == 1 else f"{plain}_{number}"


def look_alikes(names: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each group of names that readers may take for one another: Ann and ann, a in two scripts."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(skeleton(name), []).append(name)
    for group in groups.values():
        if len(group) > 1:
            spelt = ", ".join(f"{name!r}" if name.isascii() else f"{name!r} ({_scripts(name)})" for name in group)
            yield f"model ids that look alike: {spelt}; rename all but one"


def skeleton(name: str) -> str:
    """Return a name without what readers overlook: case, width, and the script or digit of letters that look alike.

    Source:
        Unicode Technical Standard 39, confusable detection; the letters are the most common of its table.
    """
    return unicodedata.normalize("NFKC", name).casefold().translate(_ALIKE)


def _scripts(name: str) -> str:
    """Return the first word of each letter's Unicode name, which is its script."""
    words = (unicodedata.name(letter, "").split(" ", 1)[0].lower() for letter in name if letter.isalpha())
    return ", ".join(dict.fromkeys(word for word in words if word)) or "no letters"


def mappings(value: object) -> list[tuple[int, RawMapping]]:
    """Return the entries of a raw list that are mappings, each with its index."""
    rows = value if isinstance(value, (list, tuple)) else ()
    return [(index, row) for index, row in enumerate(rows) if isinstance(row, dict)]


def clone_ids(model_id: str, count: int) -> tuple[str, ...]:
    """Return the names of the players that a row makes."""
    return (model_id,) if count == 1 else tuple(f"{model_id}_{n}" for n in range(1, count + 1))


def row_ids(row: RawMapping) -> tuple[str, ...] | None:
    """Return the names of the players that a raw row makes; None where the row is not valid enough to know."""
    model_id, count = row.get("model_id"), row.get("count", 1)
    if not isinstance(model_id, str) or isinstance(count, bool) or not isinstance(count, int):
        return None
    return clone_ids(composed(model_id), count) if 1 <= count <= MAX_PLAYERS else None


def raw_players(data: RawMapping) -> list[tuple[str, str | None]] | None:
    """Return each player's name and team in a raw roster; None where a row is not valid enough to know."""
    players: list[tuple[str, str | None]] = []
    rows = data.get("models")
    for row in rows if isinstance(rows, (list, tuple)) else ():
        ids = row_ids(row) if isinstance(row, dict) else None
        team = row.get("team_id") if isinstance(row, dict) else None
        if ids is None or not (team is None or isinstance(team, str)):
            return None
        players += [(model_id, team and composed(team)) for model_id in ids]
    return players or None


def adapter_findings(data: RawMapping, folder: Path) -> Iterator[Finding]:
    """Find adapter paths (relative to `folder`) that do not lead to a PEFT folder of a plain LoRA."""
    for index, row in mappings(data.get("models")):
        adapter = row.get("adapter")
        if not isinstance(adapter, str) or not adapter:
            continue
        problem, hint = _adapter_problem(folder / adapter, examined=row.get("policy") is None)
        if problem:
            yield Finding(("models", index, "adapter"), f"{shown(adapter)} {problem}", hint)


def _examination(path: Path) -> str:
    try:
        read_adapter_folder(path)
    except UnusableAdapterError as error:
        return f"cannot be used: {error.reason}"
    return ""


def _adapter_problem(path: Path, examined: bool) -> tuple[str, str]:
    try:
        if (path / "adapter_config.json").is_file():
            return _examination(path) if examined else "", ""
        if path.is_dir():
            return "has no adapter_config.json", folder_to_name(path)
        siblings = sorted(item.parent.name for item in path.parent.glob("*/adapter_config.json"))
    except (OSError, ValueError) as error:  # a name too long, or with a null byte
        return f"cannot be read: {error}", ""
    return "is not a folder", nearest(path.name, siblings) if siblings else "paths start at the roster file"

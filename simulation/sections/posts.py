"""First posts of a network from a file: `posts: {file: posts.csv, sample: 20}` in the parameters of a network task.

| a post's        | comes from the column                                                                             |
|-----------------|---------------------------------------------------------------------------------------------------|
| text            | text, else content, else post                                                                     |
| author          | author, else none: it is drawn by the seed                                                        |
| likes, dislikes | the columns of these names                                                                        |
| comments        | comments: a list of mappings with the same keys (JSON), or comment: the text of one               |

OASIS's counterfactual posts are read too: `{"RS": {"selftext": ...}, "RC_1": {"body": ..., "group": "up"}}` is a post
with one comment, which has a like (up), a dislike (down) or none (control).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agents.file_model import FileModel, Text, Whole
from agents.findings import Finding, KeyPath, examine, shown
from agents.problems import InvalidFileError, Problem, UsageError
from agents.yaml_file import YamlFile

if TYPE_CHECKING:
    from agents.roster_table import Table

Row = Mapping[str, Any]


class FirstVote(str, Enum):
    """The groups of OASIS's experiment."""

    UP = "up"
    CONTROL = "control"
    DOWN = "down"


VOTES: Mapping[FirstVote, Mapping[str, int]] = {
    FirstVote.UP: {"likes": 1, "dislikes": 0},
    FirstVote.CONTROL: {"likes": 0, "dislikes": 0},
    FirstVote.DOWN: {"likes": 0, "dislikes": 1},
}
"""The votes of each."""
_TEXTS = ("text", "content", "post")


class PostsFile(FileModel):
    """Where first posts are read from."""

    file: Text
    """CSV, TSV, JSON, JSONL or Parquet, relative to the scenario file."""
    sample: Whole | None = Field(default=None, ge=1)
    """How many are drawn, without repetition, in the file's order; by default all."""
    group: Text | None = None
    """Only the rows whose column `group` has this value; of OASIS's posts up, control or down."""
    seed: Whole = Field(default=0, ge=0)
    """The seed of what is drawn."""
    vote: FirstVote | None = None
    """The vote that each post's first comment (without comments, the post) begins with, in place of the file's: up,
    down or control, which is none."""


def with_posts(file: YamlFile, folder: Path) -> tuple[YamlFile, list[Problem]]:
    """Return a scenario with the posts of the files that its network tasks name, and everything wrong in them.

    Args:
        file: The scenario.
        folder: The folder of the scenario's file.
    """
    problems: list[Problem] = []
    tasks = file.data.get("tasks")
    for place, task in enumerate(tasks if isinstance(tasks, list) else ()):
        parameters = task.get("parameters") if isinstance(task, Mapping) else None
        asked = parameters.get("posts") if isinstance(parameters, Mapping) else None
        if isinstance(asked, Mapping):
            path: KeyPath = ("tasks", place, "parameters", "posts")
            given = any(path[:end] in file.overrides for end in range(1, len(path) + 1))
            posts, found = _read(asked, Path() if given else folder)
            problems += (file.problem(each.under(*path)) for each in found)
            file = _with(file, place, posts)
    return file, problems


def _read(asked: Row, folder: Path) -> tuple[list[dict[str, Any]], list[Finding]]:
    config, found = examine(PostsFile, asked)
    if config is None or found:
        return [], found
    from agents.roster_table import read_table

    try:
        return list(posts_in(read_table(folder / config.file), config)), []
    except InvalidFileError as error:
        first = error.problems[0]
        where = f"{first.file}:{first.line}" if first.line else first.file
        return [], [Finding(("file",), f"{where}: {first.message}", first.suggestion)]
    except (UsageError, OSError) as error:
        return [], [Finding(("file",), str(error))]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return [], [
            Finding(
                ("file",),
                f"{config.file}: a row is not understood: {error}",
                "likes and dislikes are whole numbers, comments a list of mappings",
            )
        ]


def posts_in(table: Table, config: PostsFile) -> Iterator[dict[str, Any]]:
    """Yield the posts of a table, as a scenario would have them.

    Raises:
        UsageError: A row has no text, or an unknown group; or there are fewer rows than are to be drawn.
    """
    rows = [(line, row) for line, row in table.rows if config.group in (None, _group(row))]
    if not rows:
        raise UsageError(f"{table.name} has no posts of the group {shown(config.group)}")
    if config.sample is not None:
        if config.sample > len(rows):
            raise UsageError(f"{table.name} has {len(rows)} such posts; {config.sample} cannot be drawn")
        drawn = random.Random(f"{config.seed}/posts").sample(range(len(rows)), config.sample)
        rows = [rows[place] for place in sorted(drawn)]
    for line, row in rows:
        where = f"{table.name}:{line}" if line else table.name
        yield _voted(_counterfactual(row, where) if "RS" in row else _post(row, where), config.vote)


def _voted(post: dict[str, Any], vote: FirstVote | None) -> dict[str, Any]:
    """Return a post whose first comment, or which itself, begins with a vote."""
    if vote is None:
        return post
    if "comments" not in post:
        return {**post, **VOTES[vote]}
    first, *others = post["comments"]
    return {**post, "comments": [{**first, **VOTES[vote]}, *others]}


def _group(row: Row) -> str:
    comment = row.get("RC_1")
    return str((comment if isinstance(comment, Mapping) else row).get("group", ""))


def _post(row: Row, where: str) -> dict[str, Any]:
    from agents.roster_table import plain_cells

    cells = plain_cells(row)
    text = next((str(cells[name]) for name in _TEXTS if cells.get(name)), "")
    if not text:
        raise UsageError(f"{where}: a post has no text (columns: {', '.join(map(str, row))})")
    votes: dict[str, Any] = {name: int(cells[name]) for name in ("likes", "dislikes") if name in cells}
    author = {"author": str(cells["author"])} if cells.get("author") else {}
    comments = cells.get("comments") or ([{"text": str(cells["comment"])}] if cells.get("comment") else [])
    return {"text": text, **author, **votes, **({"comments": comments} if comments else {})}


def _counterfactual(row: Row, where: str) -> dict[str, Any]:
    post, comment = row["RS"], row.get("RC_1", {})
    groups = {vote.value: vote for vote in FirstVote}
    group = _group(row)
    if group not in groups:
        raise UsageError(f"{where}: group {shown(group)} is none of {', '.join(groups)}")
    titles = (str(post.get(name, "")) for name in ("title", "selftext"))
    text = "\n".join(part for part in titles if part and part != "None")
    return {"text": text, "comments": [{"text": str(comment.get("body", "")), **VOTES[groups[group]]}]}


def _with(file: YamlFile, place: int, posts: list[dict[str, Any]]) -> YamlFile:
    tasks = list(file.data["tasks"])
    tasks[place] = {**tasks[place], "parameters": {**tasks[place]["parameters"], "posts": posts}}
    return replace(file, data={**file.data, "tasks": tasks})

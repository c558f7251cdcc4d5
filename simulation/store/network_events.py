"""The events of social networks that are no act of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PostSeeded:
    """A post that no model's act published: it stood in a network before the first step, or was put there.

    `parent` is the post that a comment is about, 0 for a post; `likes` and `dislikes` are those that it came with.
    """

    episode: int
    step: int
    time: str
    item: int
    author: str
    text: str
    parent: int = 0
    likes: int = 0
    dislikes: int = 0

"""The largest cascades of a run's networks, as trees: who shared a post from whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.metrics.cascade import CascadePost, cascade_figures, cascades
from simulation.metrics.result_table import COLOURS
from simulation.metrics.spread import SHARED, posts_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from simulation.tables.run import Run

MOST_TREES, MOST_NODES = 4, 600


@dataclass(frozen=True)
class CascadeNode:
    """A post of a tree.

    Attributes:
        author: Who published it.
        step: When, from 1.
        text: What it says; empty for a repost.
        parent: The place of the post that it shares among the nodes; -1 for the root.
        x: Its place from left to right, 0-1.
        depth: Its distance from the root.
    """

    author: str
    step: int
    text: str
    parent: int
    x: float
    depth: int


@dataclass(frozen=True)
class CascadeTree:
    """A post and what was shared from it.

    Attributes:
        episode: The episode, from 1.
        text: What the first post says.
        author: Who wrote it.
        scale: Posts of the whole tree.
        depth: The longest way from the root.
        nodes: The first 600 posts, parents before children.
    """

    episode: int
    text: str
    author: str
    scale: int
    depth: int
    nodes: list[CascadeNode]


def trees_of(run: Run, most: int = MOST_TREES) -> list[CascadeTree]:
    """Return the largest cascades of a run, the largest first; posts that nobody shared are none."""
    posts, found = run.posts, list[CascadeTree]()
    for episode in posts["episode"].unique():
        rows = posts[posts["episode"] == episode]
        rows = rows[rows["kind"].astype(str).isin(("post", *SHARED))]
        told = {int(row["item"]): row for row in rows.to_dict("records")}
        trees = sorted(cascades(posts_of(rows)).values(), key=len, reverse=True)[:most]
        found += [_tree(int(episode), tree, told) for tree in trees if len(tree) > 1]
    return sorted(found, key=lambda tree: -tree.scale)[:most]


def _tree(episode: int, posts: Sequence[CascadePost], told: Mapping[int, Mapping[str, object]]) -> CascadeTree:
    figures, shown = cascade_figures(posts), posts[:MOST_NODES]
    place = {post.post_id: number for number, post in enumerate(shown)}
    parents = [-1 if post.parent is None else place[post.parent] for post in shown]
    across, depths = _across(parents), _depths(parents)
    nodes = [
        CascadeNode(str(row["author"]), int(post.time) + 1, str(row["text"] or ""), parent, x, depth)
        for post, parent, x, depth in zip(shown, parents, across, depths, strict=True)
        for row in (told[post.post_id],)
    ]
    return CascadeTree(episode + 1, nodes[0].text, nodes[0].author, figures.scale, figures.depth, nodes)


def _depths(parents: Sequence[int]) -> list[int]:
    depths: list[int] = []
    for parent in parents:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    return depths


def _across(parents: Sequence[int]) -> list[float]:
    """Return where nodes stand from left to right: leaves side by side, a parent above the middle of its children."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(parents):
        children.setdefault(parent, []).append(node)
    order = list(_down(children))
    leaves = [node for node in order if node not in children]
    across = {node: (at + 0.5) / len(leaves) for at, node in enumerate(leaves)}
    for node in reversed(order):
        if node in children:
            below = [across[child] for child in children[node]]
            across[node] = (min(below) + max(below)) / 2
    return [round(across[node], 5) for node in range(len(parents))]


def _down(children: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Yield the nodes from the root down, a node's children together from left to right."""
    waiting = list(children.get(-1, ()))
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(children.get(node, ()))


def cascade_figure(trees: Sequence[CascadeTree]) -> Figure:
    """Return the trees below each other: a point per post, a line to the post that it shares."""
    from plotly.subplots import make_subplots

    titles = [f"episode {each.episode}, {each.author}: {each.text[:70]}" for each in trees]
    figure = make_subplots(rows=max(1, len(trees)), cols=1, subplot_titles=titles)
    for place, tree in enumerate(trees, start=1):
        where = {"row": place, "col": 1}
        xs, ys = list[float | None](), list[float | None]()
        for node in tree.nodes:
            if node.parent >= 0:
                above = tree.nodes[node.parent]
                xs += [above.x, node.x, None]
                ys += [above.depth, node.depth, None]
        figure.add_scatter(x=xs, y=ys, mode="lines", line={"color": COLOURS[9], "width": 1}, hoverinfo="skip", **where)
        points = {
            "size": 9 if len(tree.nodes) < 60 else 5,
            "color": [node.step for node in tree.nodes],
            "colorscale": "Viridis",
        }
        told = [f"{node.author}, step {node.step}<br>{node.text[:120]}" for node in tree.nodes]
        figure.add_scatter(
            x=[node.x for node in tree.nodes],
            y=[node.depth for node in tree.nodes],
            mode="markers",
            marker=points,
            text=told,
            hoverinfo="text",
            **where,
        )
        figure.update_yaxes(title_text="depth", autorange="reversed", dtick=1, **where)
        figure.update_xaxes(visible=False, **where)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(template="plotly_white", showlegend=False, height=280 * max(1, len(trees)))

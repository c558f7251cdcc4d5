"""What a user is shown: a world's items as the posts, comments, users and groups of a prompt. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from agents.network import NetworkView, SeenComment, SeenGroup, SeenPost, SeenUser, SocialActionName
from simulation.network.acts import NetworkPlatform, legal_targets, shown_groups
from simulation.network.world import ItemKind, World

REPLIES = 3
"""Comments shown below a post, the newest."""
GROUP_MESSAGES = 5
"""Messages of a group chat shown to a member, the newest."""


class Viewer:
    """Shows a world to its users in one step; what several users see is built once."""

    def __init__(self, world: World, step: int) -> None:
        self._world, self._step = world, step
        self._posts: dict[int, SeenPost] = {}

    def view(
        self, user: int, feed: Sequence[int], platform: NetworkPlatform, actions: Sequence[SocialActionName]
    ) -> NetworkView:
        """Return what a user sees, with the legal targets of each action."""
        world = self._world
        found = world.found.get(user, ())
        seen: Collection[int] = world.seen.get(user, ())
        bare = NetworkView(
            user_id=user,
            platform=platform.value,
            time=world.clock.text(self._step),
            posts=tuple(map(self._post, feed)),
            found=tuple(map(self._post, found)),
            users=tuple(map(self._user, world.found_users.get(user, ()))),
            groups=tuple(self._groups(user)) if world.groups else (),
            followers=world.followers[user],
            new=frozenset(item for item in (*feed, *found) if world.source(item) not in seen),
        )
        return replace(bare, targets=legal_targets(world, bare, actions))

    def _post(self, item: int) -> SeenPost:
        if item not in self._posts:
            self._posts[item] = self._built(item)
        return self._posts[item]

    def _built(self, item: int) -> SeenPost:
        world, source = self._world, self._world.source(item)
        kind, about = world.kind[item], world.original[item]
        return SeenPost(
            post_id=item,
            user_id=world.author[item],
            author=world.names[world.author[item]],
            text=world.text[source],
            kind=kind.value,
            root=world.root[item],
            original_author=world.names[world.author[about]] if about else "",
            original_text=world.text[about] if kind is ItemKind.QUOTE else "",
            likes=world.likes[source],
            dislikes=world.dislikes[source],
            shares=world.shares[source],
            comments=world.comments[source],
            reports=world.reports[item],
            replies=tuple(map(self._comment, world.replies.get(source, ())[-REPLIES:])),
        )

    def _comment(self, item: int) -> SeenComment:
        world, author = self._world, self._world.author[item]
        return SeenComment(item, author, world.names[author], world.text[item], world.likes[item], world.dislikes[item])

    def _user(self, user: int) -> SeenUser:
        return SeenUser(user, self._world.names[user], self._world.followers[user])

    def _groups(self, user: int) -> list[SeenGroup]:
        names = self._world.names
        shown = []
        for number, group in shown_groups(self._world, user):
            member = user in group.members
            messages = group.messages[-GROUP_MESSAGES:] if member else []
            told = tuple((names[author], text) for author, text in messages)
            shown.append(SeenGroup(number, group.name, member, told))
        return shown

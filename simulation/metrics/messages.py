"""Who answered whom, and how different the words of two groups are.

An answer is defined by who could hear whom, not by what a message means: `b` answers `a` when `b` heard `a` in a talk
round, and `a` hears a message of `b` in the next one (same episode). Where everyone speaks and hears everyone, this
network is complete and shows nothing; `named_only` counts only answers that name the model they answer.

Sources: Freeman, Social Networks 1 (1978), for centrality; Clauset, Newman & Moore, Physical Review E 70 (2004),
for communities; Gentzkow, Shapiro & Taddy, Econometrica 87 (2019), for polarization.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agents.problems import SocietyError
from simulation.metrics.comparable import comparable_rows, with_episode_facts
from simulation.metrics.registry import MetricInput, metric

if TYPE_CHECKING:
    import networkx as nx

    from simulation.tables.run import Run


MOST_MODELS = 200
"""Communities of more models take minutes to find."""


@dataclass(frozen=True)
class Message:
    """One message of a network; `at` (step, talk round) orders the messages of an episode."""

    episode: int
    at: tuple[int, int]
    sender: str
    audience: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Centrality:
    """A model's place in the network, all 0-1.

    Attributes:
        model_id: The model.
        answered: Share of the other models that it answered.
        answered_by: Share of the other models that answered it.
        betweenness: Share of shortest paths between other models that go through it.
    """

    model_id: str
    answered: float
    answered_by: float
    betweenness: float


@dataclass(frozen=True)
class AnswerStructure:
    """The network of answers in numbers.

    Attributes:
        models: Each model's place.
        links: Ordered pairs of models of whom the first answered the second.
        reciprocity: Share of links that are returned (0-1); None without links.
        communities: Greedy modularity communities of the links in both directions, the largest first.
        modularity: The modularity of these communities; None without links.
    """

    models: tuple[Centrality, ...]
    links: int
    reciprocity: float | None
    communities: tuple[tuple[str, ...], ...]
    modularity: float | None


def messages_of(run: Run, *, synthetic: bool = False, mix_tiers: bool = False) -> tuple[Message, ...]:
    """The messages of finished episodes, in order.

    Raises:
        MixedTiersError: They came from several tiers, and `mix_tiers` is False.
    """
    rows = comparable_rows(with_episode_facts(run, run.messages), synthetic=synthetic, mix_tiers=mix_tiers)
    columns = (rows[name] for name in ("episode", "step", "talk_round", "sender", "audience", "text"))
    return tuple(
        Message(int(episode), (int(step), int(talk_round)), str(sender), tuple(audience), str(text))
        for episode, step, talk_round, sender, audience, text in zip(*columns, strict=True)
    )


# -- who answered whom ----------------------------------------------------------------------------------


def answer_network(messages: Sequence[Message], *, named_only: bool = False) -> nx.DiGraph[str]:
    """Who answered whom: an edge from the answering model to the answered model; its `weight` counts answers."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sorted({name for message in messages for name in (message.sender, *message.audience)}))
    for (answering, answered), count in sorted(_answers(messages, named_only).items()):
        graph.add_edge(answering, answered, weight=count)
    return graph


def _answers(messages: Sequence[Message], named_only: bool) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    ordered = sorted(messages, key=lambda message: (message.episode, message.at))
    for _, episode in itertools.groupby(ordered, key=lambda message: message.episode):
        heard: dict[str, set[str]] = {}
        for _, talk in itertools.groupby(episode, key=lambda message: message.at):
            sent = list(talk)
            found.update(
                (message.sender, hearer)
                for message in sent
                for hearer in message.audience
                if hearer in heard.get(message.sender, ()) and (not named_only or _names(message.text, hearer))
            )
            heard = _heard(sent)
    return found


def _heard(sent: Sequence[Message]) -> dict[str, set[str]]:
    """The senders that each hearer heard in a talk round."""
    heard: dict[str, set[str]] = {}
    for message in sent:
        for hearer in message.audience:
            heard.setdefault(hearer, set()).add(message.sender)
    return heard


def _names(text: str, model_id: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(model_id)}(?![A-Za-z0-9_])", text, re.IGNORECASE) is not None


def answer_structure(messages: Sequence[Message], *, named_only: bool = False) -> AnswerStructure:
    """Centrality, reciprocity and communities of who answered whom.

    Source:
        Freeman (1978); Clauset, Newman & Moore (2004).
    """
    import networkx as nx

    graph = answer_network(messages, named_only=named_only)
    links, others = graph.number_of_edges(), max(1, len(graph) - 1)
    between = nx.betweenness_centrality(graph)
    models = (
        Centrality(name, graph.out_degree(name) / others, graph.in_degree(name) / others, between[name])
        for name in graph
    )
    communities, modularity = _communities(graph)
    return AnswerStructure(tuple(models), links, reciprocity(graph) if links else None, communities, modularity)


def _communities(graph: nx.DiGraph[str]) -> tuple[tuple[tuple[str, ...], ...], float | None]:
    import networkx as nx

    if not graph.number_of_edges():
        return tuple((name,) for name in graph), None
    both: nx.Graph[str] = nx.Graph()
    both.add_nodes_from(graph)
    for a, b, data in graph.edges(data=True):
        weight = data["weight"] + (both[a][b]["weight"] if both.has_edge(a, b) else 0)
        both.add_edge(a, b, weight=weight)
    found = [set(group) for group in nx.community.greedy_modularity_communities(both, weight="weight")]
    groups = tuple(sorted((tuple(sorted(group)) for group in found), key=lambda group: (-len(group), group)))
    return groups, float(nx.community.modularity(both, found, weight="weight"))


def _networks(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, tuple[nx.DiGraph[str]]]:
    messages = _numbered_on(runs, mix_tiers)
    speakers = {message.sender for message in messages}
    if len(speakers) > MOST_MODELS:
        raise SocietyError(f"who answers whom is counted for up to {MOST_MODELS} models; there are {len(speakers)}")
    graph = answer_network(messages)
    return {"": (graph,)} if graph.number_of_edges() else {}


def _numbered_on(runs: Sequence[Run], mix_tiers: bool) -> list[Message]:
    """The messages of all runs, as those of one run with all their episodes."""
    found: list[Message] = []
    for run in runs:
        first = found[-1].episode + 1 if found else 0
        own = messages_of(run, mix_tiers=mix_tiers)
        found += [replace(message, episode=first + message.episode) for message in own]
    return found


ANSWERS = MetricInput(_networks)
"""For metrics of the network of who answered whom."""


@metric("defined in simulation.metrics.messages", ANSWERS)
def reciprocity(graph: nx.DiGraph[str]) -> float:
    """Share of answer links that are returned (0-1)."""
    import networkx as nx

    return float(nx.overall_reciprocity(graph))


@metric("Clauset, Newman & Moore (2004)", ANSWERS)
def modularity(graph: nx.DiGraph[str]) -> float | None:
    """How far answers stay within communities, beyond chance: at most 1, about 0 for none."""
    return _communities(graph)[1]


# -- polarization of words ------------------------------------------------------------------------------

_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")
Words = Counter[str]


def words_by_speaker(messages: Sequence[Message]) -> dict[str, Words]:
    """How often each sender used each word: in lower case; a number is a word, and so is a Chinese character."""
    found: dict[str, Words] = {}
    for message in messages:
        found.setdefault(message.sender, Counter()).update(_WORD.findall(message.text.lower()))
    return found


def _team_words(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, tuple[Sequence[Words], Sequence[Words]]]:
    teams = {row.model_id: row.team_id for run in runs for row in run.roster.expand()}
    groups: dict[str, list[Words]] = {}
    for speaker, words in words_by_speaker(_numbered_on(runs, mix_tiers)).items():
        if (team := teams[speaker]) and words:
            groups.setdefault(team, []).append(words)
    able = sorted(team for team, group in groups.items() if len(group) > 1)
    return {f"{a}, {b}": (groups[a], groups[b]) for a, b in itertools.combinations(able, 2)}


TEAM_WORDS = MetricInput(_team_words)
"""For metrics of the words of two teams: one value per two teams with at least two speakers each."""


@metric("Gentzkow, Shapiro & Taddy (2019), leave-out estimator", TEAM_WORDS)
def polarization(first: Sequence[Words], second: Sequence[Words]) -> float:
    """How well one word shows which of two groups its speaker belongs to: 0.5 not at all, 1 always.

    A guess leaves out the speaker's own words, so that a few texts do not look polarized by chance. A word that
    nobody else used counts as 0.5. It measures words, not opinions.

    Args:
        first: The words of each speaker of one group.
        second: The words of each speaker of the other group.

    Raises:
        SocietyError: A group has fewer than two speakers.
    """
    groups = [[words for words in group if words.total()] for group in (first, second)]
    if min(map(len, groups)) < 2:
        raise SocietyError("polarization needs two groups of at least 2 speakers each who said something")
    return sum(_guessed(*pair) for pair in (groups, groups[::-1])) / 2


def _guessed(own: Sequence[Words], other: Sequence[Words]) -> float:
    """Mean chance that a word of a speaker of `own` is guessed to be of `own`."""
    mine, theirs = sum(own, Counter()), sum(other, Counter())
    return sum(_guessed_of(words, mine - words, theirs) for words in own) / len(own)


def _guessed_of(words: Words, mine: Words, theirs: Words) -> float:
    mine_total, theirs_total = mine.total(), theirs.total()

    def chance(word: str) -> float:
        ours, others = mine[word] / mine_total, theirs[word] / theirs_total
        return ours / (ours + others) if ours + others else 0.5

    return sum(count * chance(word) for word, count in words.items()) / words.total()

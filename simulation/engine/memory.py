"""What the players of an episode remember: lines on the last steps, oldest first.

Of a step a player remembers what it wrote, chose and heard, and what the game shows that player next, which is never
what it hides from it. The cost of a step does not grow with the episode: at most `window` steps are kept.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agents.language import Language
from simulation.sections.memory import MemoryConfig, MemoryPart

_WORDS: Mapping[Language, Mapping[str, str]] = {
    Language.EN: {
        "step": "Step {step}: {parts}.",
        "wrote": 'you wrote "{text}"',
        "did": "you did {action}",
        "heard": "you heard {texts}",
        "seen": "then: {text}",
        "join": "; ",
        "summary": "Your summary of the steps up to {step}: {text}.",
    },
    Language.ZH: {
        "step": "第{step}步：{parts}。",
        "wrote": "你写道“{text}”",
        "did": "你的行动是{action}",
        "heard": "你听到{texts}",
        "seen": "之后：{text}",
        "join": "；",
        "summary": "你对到第{step}步为止的概括：{text}。",
    },
}


@dataclass(frozen=True)
class StepMemory:
    """One step as one player knows it.

    Args:
        step: The step's number, from 1.
        wrote: What it wrote.
        heard: The lines of what it heard.
        action: What it chose or did, in the prompt's words; empty where it did nothing.
        seen: What the game showed it next.
    """

    step: int
    wrote: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    action: str = ""
    seen: str = ""

    def line(self, parts: Sequence[MemoryPart], language: Language) -> str:
        """Return the step as a line of a prompt; empty where nothing is remembered."""
        words, told = _WORDS[language], list[str]()
        if MemoryPart.OWN in parts:
            told += [words["wrote"].format(text=_flat(text)) for text in self.wrote]
            told += [words["did"].format(action=_flat(self.action))] if self.action else []
        if MemoryPart.HEARD in parts and self.heard:
            told.append(words["heard"].format(texts=" ".join(map(_flat, self.heard))))
        if MemoryPart.OUTCOMES in parts:
            told += [words["seen"].format(text=_flat(self.seen))] if self.seen else []
        return words["step"].format(step=self.step, parts=words["join"].join(told)) if told else ""


def _flat(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")


class EpisodeMemory:
    """What the players of one episode remember.

    Args:
        config: How much.
        language: The language of the lines.
    """

    def __init__(self, config: MemoryConfig, language: Language) -> None:
        self._config, self._language = config, language
        self._lines: defaultdict[int, deque[str]] = defaultdict(partial(deque, maxlen=config.window))
        self._last: dict[int, StepMemory] = {}
        self._summaries: dict[int, str] = {}

    @property
    def kept(self) -> bool:
        """Return whether anything is remembered."""
        return self._config.window > 0

    def lines(self, player: int) -> tuple[str, ...]:
        """Return a player's lines, oldest first; what the game shows of the last step is in the prompt itself."""
        if not self.kept and player not in self._summaries:
            return ()
        last = self._last.get(player)
        newest = last.line(self._config.of, self._language) if last else ""
        lines = (*self._lines[player], newest) if newest else tuple(self._lines[player])
        kept = lines[-self._config.window :] if self.kept else ()
        return (self._summaries[player], *kept) if player in self._summaries else kept

    def is_time_to_sum_up(self, step: int) -> bool:
        """Return whether models sum up before a step, by its number from 0."""
        summary = self._config.summary
        return summary is not None and step > 0 and step % summary.every == 0

    def sum_up(self, player: int, step: int, text: str) -> None:
        """Put a player's own summary of the steps before `step` (from 0) in place of its lines."""
        self._summaries[player] = _WORDS[self._language]["summary"].format(step=step, text=_flat(text))
        self._lines[player].clear()
        self._last.pop(player, None)

    def add(self, player: int, memory: StepMemory, shown: str) -> None:
        """Remember a step that ended.

        Args:
            player: Whose memory.
            memory: The step.
            shown: What the game showed the player in this step: the outcome of the step before.
        """
        if not self.kept:
            return
        before = self._last.get(player)
        if before is not None:
            line = replace(before, seen=shown).line(self._config.of, self._language)
            if line:
                self._lines[player].append(line)
        self._last[player] = memory

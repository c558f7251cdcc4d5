"""The state of a run after the events so far, for those who watch."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.inference.provenance import Purpose, fallen
from agents.roster import Roster
from simulation.scenario import Scenario
from simulation.store.events import (
    CallMade,
    DecisionMade,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    MessageSent,
    RunEnded,
    RunResumed,
    SocialActed,
    StepResolved,
)
from simulation.tables.players import player_name
from simulation.watch.sums import CallSums, Key, RowSums, Sums, grouped
from simulation.watch.view import (
    Entry,
    EntryKind,
    Link,
    LiveHonesty,
    LiveLine,
    LiveView,
    ModelRow,
    Point,
    Progress,
    WatchStatus,
)

if TYPE_CHECKING:
    from agents.inference.provenance import CallRecord

ENTRIES = 200
"""The latest entries of each kind that are shown."""
ROWS = 100
LONGEST = 2000
NAMED_HEARERS = 8


class Said(NamedTuple):
    """A message that is said and not yet heard; the fields are those of `MessageSent`."""

    episode: int
    step: int
    text: str
    tier: str
    fallback_from: str


Shown = MessageSent | DecisionMade | SocialActed | Said


class RunState:
    """Adds up a run's events, in order. Its memory depends on the roster, not on the length of the run."""

    def __init__(self, run: str, manifest: Mapping[str, Any]) -> None:
        scenario = Scenario.model_validate(manifest["scenario"])
        self._tasks = scenario.tasks
        self._treatment = scenario.communication.treatment.value
        self._replay_of = manifest.get("replay_of") or ""
        self._players = {config.model_id: config for config in Roster.model_validate(manifest["roster"]).expand()}
        self._grouping, self._group = grouped(tuple(self._players.values()))
        episodes = scenario.episodes * len(self._tasks)
        self.progress = Progress(run, scenario.name, WatchStatus.RUNNING, episodes=episodes)
        self.calls = CallSums()
        self.sums = Sums()
        self._before: Sums | None = None  # before the current episode; None between episodes
        self._synthetic = False
        self._synthetic_episodes = 0
        self._entries: dict[EntryKind, deque[Entry]] = {kind: deque(maxlen=ENTRIES) for kind in EntryKind}
        self._entry_count = 0
        self._said: dict[tuple[str, int], Entry] = {}  # by sender and step: said, and not yet heard
        self._shown_steps = self._shown_entries = 0  # later ones are new
        self._rewritten = False

    # -- events ------------------------------------------------------------------------------------------

    def add(self, event: Event) -> None:
        """Add the next event of the log."""
        match event:
            case EpisodeStarted():
                self._start(event)
            case CallMade():
                self.calls.add(event.record)
                self._say(event.record)
            case MessageSent():
                self._message(event)
            case DecisionMade():
                self._decision(event)
            case SocialActed():
                self._act(event)
            case StepResolved():
                self._resolve(event)
            case EpisodeEnded():
                self._end(event)
            case RunResumed():
                self._resume(event)
            case RunEnded():
                self.progress = replace(self.progress, status=WatchStatus(event.status), reason=event.reason)
            case _:
                pass

    def _start(self, event: EpisodeStarted) -> None:
        self._before = self.sums.copy()
        self._synthetic = event.synthetic
        self.calls.begin_step()
        self.progress = replace(
            self.progress,
            episode=event.episode + 1,
            step=0,
            steps=self._tasks[event.episode % len(self._tasks)].max_steps,
            task=event.task_id,
            game=event.task_type,
            mode=event.mode,
        )

    def _say(self, record: CallRecord) -> None:
        """Keep a message whose talk round is not over: its event comes when all have spoken."""
        key, reply = record.key, record.reply
        if key.purpose is Purpose.TALK and reply is not None and key.model_id in self._players:
            source = reply.provenance
            heard = Said(key.episode, key.step, reply.text, source.tier.value, fallen(source))
            self._said[key.model_id, key.step] = self._entry(EntryKind.MESSAGE, heard, key.model_id)

    def _message(self, event: MessageSent) -> None:
        self._said.pop((event.sender, event.step), None)
        self.sums.playing[event.sender].count(event.tier).messages += 1
        self.sums.texts[event.tier] += 1
        sender = self._group[event.sender]
        self.sums.links.update((sender, self._group[hearer]) for hearer in event.audience)
        self._enter(EntryKind.MESSAGE, event, event.sender, event.audience)

    def _decision(self, event: DecisionMade) -> None:
        self.sums.playing[event.model_id].count(event.tier).invalid += event.action is None
        self.sums.texts[event.tier] += 1
        self._enter(EntryKind.DECISION, event, event.model_id)

    def _act(self, event: SocialActed) -> None:
        self.sums.playing[event.model_id].count(event.tier)
        self.sums.texts[event.tier] += 1
        self._enter(EntryKind.ACT, event, event.model_id)

    def _resolve(self, event: StepResolved) -> None:
        for row in event.rows:
            playing = self.sums.playing[row.model_id]
            sums = playing.sums
            sums.total_payoff += row.payoff
            if row.cooperation is not None:
                sums.cooperation += row.cooperation
                sums.valid_steps += 1
            line = Key(self._group[row.model_id], playing.tier, self._synthetic)
            self.sums.lines[line] = self.sums.lines.get(line, 0.0) + row.payoff
        self._said = {place: entry for place, entry in self._said.items() if place[1] > event.step}
        self.calls.end_step(event.duration)
        stride = self.sums.stride
        self.sums.mark_step()
        self._rewritten |= self.sums.stride != stride
        self.progress = replace(self.progress, step=event.step + 1)

    def _end(self, event: EpisodeEnded) -> None:
        results = {
            Key(each.model_id, each.tier, self._synthetic): RowSums(1, each.reward_earned, each.payoff)
            for each in event.outcomes
        }
        self.sums.end_episode(results)
        self._before = None
        self._synthetic_episodes += self._synthetic
        self.progress = replace(self.progress, ended=self.progress.ended + 1)

    def _resume(self, event: RunResumed) -> None:
        """Take back an unfinished episode: its events come again. Its calls stay, as they were paid for."""
        if self._before is not None:
            self.sums, self._before = self._before, None
            for kind, entries in self._entries.items():
                earlier = (entry for entry in entries if entry.episode != event.episode + 1)
                self._entries[kind] = deque(earlier, maxlen=ENTRIES)
            self._rewritten = True
        self._said.clear()
        self.progress = replace(
            self.progress,
            status=WatchStatus.RUNNING,
            reason="",
            episode=event.episode,
            step=0,
            resumed=self.progress.resumed + 1,
        )

    def _enter(self, kind: EntryKind, event: Shown, who: str, heard_by: tuple[str, ...] = ()) -> None:
        self._entries[kind].append(self._entry(kind, event, who, heard_by))
        self._entry_count += 1

    def _entry(self, kind: EntryKind, event: Shown, who: str, heard_by: tuple[str, ...] = ()) -> Entry:
        return Entry(
            number=self._entry_count,
            kind=kind,
            episode=event.episode + 1,
            step=event.step + 1,
            who=who,
            team=self._players[who].team_id or "",
            hearers=heard_by[:NAMED_HEARERS],
            heard_by=len(heard_by),
            text=_short(event.text),
            action=_short(event.action or "") if isinstance(event, (DecisionMade, SocialActed)) else "",
            tier=event.tier,
            fallback_from=event.fallback_from,
        )

    # -- what is shown -----------------------------------------------------------------------------------

    def view(self) -> LiveView:
        """Everything to show."""
        return self._view(True, tuple(self.sums.points), self._latest(0))

    def news(self) -> LiveView:
        """What is new since the last call; a whole view where something shown must go."""
        if self._rewritten:
            news = self.view()
        else:
            points = tuple(point for point in self.sums.points if point.step > self._shown_steps)
            news = self._view(False, points, self._latest(self._shown_entries))
        self._shown_steps, self._shown_entries, self._rewritten = self.sums.steps, self._entry_count, False
        return news

    def _latest(self, number: int) -> tuple[Entry, ...]:
        """The latest entries from that number on, oldest first."""
        found = (entry for entries in self._entries.values() for entry in entries if entry.number >= number)
        return tuple(sorted(found, key=lambda entry: entry.number))

    def _view(self, whole: bool, points: tuple[Point, ...], entries: tuple[Entry, ...]) -> LiveView:
        sums, rows = self.sums, self.sums.shown(self._synthetic)
        lines = (LiveLine(*key, total) for key, total in sums.lines.items())
        return LiveView(
            whole=whole,
            progress=self.progress,
            honesty=LiveHonesty(
                texts=dict(sorted(sums.texts.items())),
                failed=self.calls.failed,
                fallbacks=dict(self.calls.fallbacks),
                invalid=sum(row.invalid for row in rows.values()),
                synthetic_episodes=self._synthetic_episodes + (self._synthetic and self._before is not None),
                treatment=self._treatment,
                replay_of=self._replay_of,
            ),
            calls=self.calls.view(),
            grouping=self._grouping,
            rows=self._rows(rows),
            row_count=len(rows),
            lines=tuple(lines),
            points=points,
            links=tuple(Link(sender, hearer, count) for (sender, hearer), count in sums.links.items()),
            entries=entries,
            entry_count=self._entry_count,
            said=tuple(self._said.values()),
        )

    def _rows(self, sums: dict[Key, RowSums]) -> tuple[ModelRow, ...]:
        """The models, the highest total payoff first; no more than `ROWS`."""
        shown = sorted(sums, key=lambda key: (-sums[key].total_payoff, key.tier, key.synthetic))
        return tuple(self._row(key, sums[key]) for key in shown[:ROWS])

    def _row(self, key: Key, sums: RowSums) -> ModelRow:
        config = self._players[key.name]
        return ModelRow(
            model_id=key.name,
            player=player_name(config.played_by, config.role.value, sums.simulated, sums.texts),
            role=config.role.value,
            team_id=config.team_id or "",
            tier=key.tier,
            synthetic=key.synthetic,
            episodes=sums.episodes,
            reward=sums.reward / sums.episodes if sums.episodes else None,
            payoff=sums.payoff / sums.episodes if sums.episodes else None,
            total_payoff=sums.total_payoff,
            cooperation=sums.cooperation / sums.valid_steps if sums.valid_steps else None,
            messages=sums.messages,
            invalid=sums.invalid,
        )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"

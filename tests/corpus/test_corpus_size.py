"""How many malformed inputs are kept and tried: rosters, scenarios, run directories, answers of servers."""

from __future__ import annotations

from tests.corpus import test_malformed_files as files
from tests.corpus import test_malformed_replies as replies
from tests.simulation.runs import test_broken_runs as runs

PROMISED = 200


def test_the_corpus_is_as_large_as_promised() -> None:
    counts = {
        "rosters": len(files.corpus("rosters")),
        "scenarios": len(files.corpus("scenarios")),
        "bombs": len(files.BOMBS),
        "runs": len(runs.HARM),
        "replies": len(replies.CASES),
    }
    assert sum(counts.values()) >= PROMISED, counts
    assert min(counts.values()) > 10, counts

"""The number of malformed inputs in the corpus: rosters, scenarios, run directories, answers of servers."""

from __future__ import annotations

from tests.corpus import test_malformed_files as files
from tests.corpus import test_malformed_replies as replies
from tests.simulation.runs import test_broken_runs as runs

PROMISED = 200


def test_corpus_has_the_documented_size() -> None:
    counts = {
        "rosters": len(files.corpus("rosters")),
        "scenarios": len(files.corpus("scenarios")),
        "bombs": len(files.BOMBS),
        "runs": len(runs.HARM),
        "replies": len(replies.CASES),
    }
    assert sum(counts.values()) >= PROMISED, counts
    assert min(counts.values()) > 10, counts

"""Replies that exist already: the recording of a run, and the cache that runs share."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import (
    CallKey,
    CallRecord,
    CallStatus,
    Provenance,
    Purpose,
    Reply,
    Request,
    Sampling,
    Tier,
    ToolCall,
)
from agents.inference.recording import (
    CACHE_FILE,
    OUTSIDE_EPISODES,
    Recorded,
    Recording,
    RecordingMismatchError,
    ReplyCache,
    cache_key,
    read_reply,
)
from agents.inference.records import prompt_hash
from agents.problems import SocietyError
from tests.agents.inference.conftest import make_request
from tests.support.scripted_vllm import ScriptedVLLM

ROOT = Path(__file__).parents[3]
REPLY = Reply("as it was", Provenance(Tier.HTTP, "cooperator", "http://s/v1", 2, 0.5, 11, 4, "stop", (Tier.CAMEL,)))


def recording_of(request: Request, reply: Reply = REPLY, *, strict: bool = False) -> Recording:
    return Recording({request.key: Recorded(reply, prompt_hash(request))}, strict)


class TestRecording:
    def test_recording_answers_the_same_prompt_at_the_same_moment(self) -> None:
        request = make_request()
        assert recording_of(request).find(request) is REPLY

    def test_recording_has_no_reply_for_another_moment(self) -> None:
        later = replace(make_request(), key=replace(make_request().key, step=7))
        assert recording_of(make_request()).find(later) is None

    def test_a_strict_recording_needs_every_reply(self) -> None:
        later = replace(make_request(), key=replace(make_request().key, step=7))
        with pytest.raises(RecordingMismatchError, match="episode 1, step 8, m1, talk: the recording has no reply"):
            recording_of(make_request(), strict=True).find(later)

    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize("changed", [{"seed": 5}, {"adapter": "defector"}, {"choices": ("a",)}])
    def test_recording_refuses_another_prompt_at_a_recorded_moment(
        self, strict: bool, changed: dict[str, object]
    ) -> None:
        recording = recording_of(make_request(), strict=strict)
        with pytest.raises(RecordingMismatchError, match="answers another prompt than this one"):
            recording.find(make_request(**changed))

    @pytest.mark.parametrize("strict", [False, True])
    def test_recording_ignores_calls_outside_of_episodes(self, strict: bool) -> None:
        outside = make_request(key=CallKey(OUTSIDE_EPISODES, 0, "ask", Purpose.TALK))
        if strict:
            with pytest.raises(RecordingMismatchError):
                recording_of(outside, strict=True).find(outside)
        else:
            assert recording_of(outside).find(outside) is None

    def test_recording_compares_no_prompt_of_a_persons_reply(self) -> None:
        request = make_request()
        assert Recording({request.key: Recorded(REPLY)}).find(replace(request, seed=9)) is REPLY

    def test_recording_lists_its_episodes(self) -> None:
        assert recording_of(make_request()).episodes == {0}

    async def test_a_client_with_a_strict_recording_makes_no_call(self, stub: ScriptedVLLM) -> None:
        async with VLLMClient(stub.url, recording=recording_of(make_request(), strict=True)) as client:
            assert await client.generate(make_request()) is REPLY
            with pytest.raises(RecordingMismatchError):
                await client.generate(make_request(seed=1))
        assert (stub.bodies, stub.asked_models) == ([], 0)


TEXTS = st.text(max_size=30)


class TestReplyJson:
    @given(
        text=TEXTS,
        tier=st.sampled_from(Tier),
        fallback=st.lists(st.sampled_from(Tier), max_size=3).map(tuple),
        tokens=st.none() | st.integers(0, 10**6),
        probability=st.none() | st.floats(0, 1),
        calls=st.lists(st.builds(ToolCall, TEXTS, TEXTS, TEXTS), max_size=2).map(tuple),
    )
    def test_read_reply_reads_what_was_written(
        self,
        text: str,
        tier: Tier,
        fallback: tuple[Tier, ...],
        tokens: int | None,
        probability: float | None,
        calls: tuple[ToolCall, ...],
    ) -> None:
        origin = Provenance(tier, "a", "http://s/v1", 3, 0.25, tokens, tokens, "stop", fallback, tokens, False)
        reply = Reply(text, origin, probability, calls)
        assert read_reply(orjson.loads(orjson.dumps(reply))) == reply
        assert read_reply(orjson.loads(orjson.dumps(reply)), cached=True).provenance.cached


class TestReplyCache:
    def test_reply_cache_stores_and_marks_replies_of_real_models(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path / "new" / "folder")
        cache.put(make_request(), REPLY)
        found = cache.get(make_request())
        assert found == replace(REPLY, provenance=replace(REPLY.provenance, cached=True))
        cache.close()

    def test_reply_cache_outlives_the_process(self, tmp_path: Path) -> None:
        first = ReplyCache(tmp_path)
        first.put(make_request(), REPLY)
        first.close()
        second = ReplyCache(tmp_path)
        assert second.get(make_request()) is not None
        second.close()

    def test_reply_cache_depends_on_prompt_and_base_not_moment(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path)
        cache.put(make_request(base_model="qwen"), REPLY)
        assert cache.get(make_request(base_model="qwen", key=CallKey(3, 9, "m9", Purpose.TALK)))
        for changed in ({"base_model": "llama"}, {"seed": 1}, {"sampling": Sampling(0.1)}, {"adapter": "defector"}):
            assert cache.get(make_request(**({"base_model": "qwen"} | changed))) is None
        cache.close()

    @pytest.mark.parametrize(
        "origin",
        [Provenance(Tier.SIMULATED, "a"), Provenance(Tier.HTTP, "a", cached=True)],
        ids=["simulated", "cached"],
    )
    def test_reply_cache_stores_no_other_replies(self, tmp_path: Path, origin: Provenance) -> None:
        cache = ReplyCache(tmp_path)
        cache.put(make_request(), Reply("x", origin))
        assert cache.get(make_request()) is None
        cache.close()

    def test_reply_cache_leaves_the_first_reply(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path)
        cache.put(make_request(), REPLY)
        cache.put(make_request(), replace(REPLY, text="another"))
        found = cache.get(make_request())
        assert found is not None
        assert found.text == "as it was"
        cache.close()

    def test_threads_share_a_reply_cache(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path)

        def work(number: int) -> None:
            cache.put(make_request(seed=number), replace(REPLY, text=str(number)))
            found = cache.get(make_request(seed=number))
            assert found is not None
            assert found.text == str(number)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(200)))
        cache.close()

    def test_processes_share_a_reply_cache_from_the_start(self, tmp_path: Path) -> None:
        script = (
            "import sys; from pathlib import Path; from dataclasses import replace\n"
            "from tests.agents.inference.test_recording import REPLY, ReplyCache, make_request\n"
            "cache = ReplyCache(Path(sys.argv[1]))\n"
            "for n in range(100): cache.put(make_request(seed=n), replace(REPLY, text=f'{n} {sys.argv[2]}'))\n"
            "print(sum(cache.get(make_request(seed=n)).text.startswith(f'{n} ') for n in range(100)))\n"
        )
        command = [sys.executable, "-c", script, str(tmp_path)]
        running = [
            subprocess.Popen([*command, name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for name in ("left", "right")
        ]
        ends = [process.communicate(timeout=60) for process in running]
        assert [out.strip() for out, _ in ends] == ["100", "100"], ends
        cache = ReplyCache(tmp_path)
        assert all(cache.get(make_request(seed=number)) for number in range(100))
        cache.close()

    def test_reply_cache_names_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / CACHE_FILE).write_bytes(b"this is not a database, and is longer than a page header" * 100)
        with pytest.raises(SocietyError, match=f"{CACHE_FILE} cannot be used as a reply cache.*remove it"):
            ReplyCache(tmp_path)

    def test_reply_cache_reports_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SocietyError, match="cannot be used as a reply cache"):
            ReplyCache(tmp_path / "file" / "cache")

    def test_reply_cache_reports_a_file_damaged_later(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path)
        for number in range(300):
            cache.put(make_request(seed=number), REPLY)
        cache.close()
        file = tmp_path / CACHE_FILE
        whole = bytearray(file.read_bytes())
        whole[4096:] = b"\xde\xad" * ((len(whole) - 4096) // 2)
        file.write_bytes(whole)
        again = ReplyCache(tmp_path)
        with pytest.raises(SocietyError, match=f"{CACHE_FILE} cannot be used: .*remove it"):
            again.get(make_request(seed=3))
        again.close()

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"text": 5}', b"\xff", b'{"provenance": {"tier": "warp"}}'])
    def test_reply_cache_reports_a_row_that_is_no_reply(self, tmp_path: Path, body: bytes) -> None:
        cache = ReplyCache(tmp_path)
        with sqlite3.connect(tmp_path / CACHE_FILE) as database:
            database.execute("INSERT INTO reply VALUES (?, ?)", (cache_key(make_request()), body))
        database.close()
        with pytest.raises(SocietyError, match="has a reply that this version cannot read"):
            cache.get(make_request())
        cache.close()

    def test_a_closed_reply_cache_raises(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path)
        cache.close()
        with pytest.raises(SocietyError, match="cannot be used"):
            cache.get(make_request())

    async def test_a_client_with_a_cache_asks_once_and_records_both(self, stub: ScriptedVLLM, tmp_path: Path) -> None:
        cache, records = ReplyCache(tmp_path), list[CallRecord]()
        settings = InferenceSettings(tiers=(Tier.HTTP, Tier.SIMULATED))
        async with VLLMClient(stub.url, settings=settings, cache=cache, on_call=records.append) as client:
            first, second = [await client.generate(make_request()) for _ in range(2)]
        assert len(stub.bodies) == 1
        assert (first.text, first.provenance.cached) == (second.text, not second.provenance.cached)
        assert [(record.status, record.attempt) for record in records] == [(CallStatus.OK, 1), (CallStatus.CACHED, 0)]
        only_simulated = InferenceSettings(tiers=(Tier.SIMULATED,))
        async with VLLMClient(stub.url, settings=only_simulated, cache=cache) as client:
            assert (await client.generate(make_request())).provenance.tier is Tier.SIMULATED
        cache.close()

    def test_reply_cache_does_not_wait_for_the_disk(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path)
        assert cache._database.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
        assert cache._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        cache.close()


def test_one_reply_cache_serves_several_event_loops(stub_in_thread: str, tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)

    async def ask() -> bool:
        async with VLLMClient(stub_in_thread, "cooperator", cache=cache) as client:
            return (await client.ask("Speak.", seed=1)).provenance.cached

    assert [asyncio.run(ask()) for _ in range(2)] == [False, True]
    cache.close()


async def test_the_event_loop_runs_while_the_cache_waits_for_the_disk(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)
    with cache._lock:  # as another process that writes would hold it up
        storing = [asyncio.create_task(cache.store(make_request(seed=seed), REPLY)) for seed in range(3)]
        finding = asyncio.create_task(cache.find(make_request(seed=2)))
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in (*storing, finding))
    await asyncio.gather(*storing)
    assert await finding  # asked after it was stored: the calls keep their order
    cache.close()

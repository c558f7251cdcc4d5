"""Which weights answered: what a record has, when two differ, and how a cache's key depends on them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agents.inference.adapter_config import CONFIG_FILE
from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.backend import EndpointSettings
from agents.inference.embedded.adapters import SHIPPED
from agents.inference.provenance import CallKey, Provenance, Purpose, Reply, Request, Tier
from agents.inference.recording import ReplyCache
from agents.inference.servers.breaker import Breaker
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.limits import AdaptiveLimit
from agents.inference.servers.served_model import ServedModel
from agents.inference.weights import WeightsRecord, changed_weights, record_weights, weights_identity

URL = "http://127.0.0.1:1/v1"


def server(**roots: str | None) -> Endpoint:
    models = {name: ServedModel(name, "base", root) for name, root in roots.items()}
    return Endpoint(EndpointSettings(URL), Breaker(longest=1.0), AdaptiveLimit(4, 1.0), models=models, up=True)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / "cooperator", tmp_path / "mine"))


def embedded(path: Path) -> WeightsRecord:
    return record_weights([("mine", str(path))], embedded=True, endpoints=())


def test_weights_record_has_digests_of_what_the_embedded_tier_loads(adapter: Path) -> None:
    ((name, record),) = embedded(adapter).items()
    assert name == f"mine in {adapter}"
    assert record["embedded"].keys() == {"weights", "config"}
    assert all(len(digest) == 64 for digest in record["embedded"].values())


def test_weights_record_of_the_base_and_of_an_unknown_adapter_is_empty() -> None:
    found = record_weights([("SmolLM2-135M-Instruct", None), ("nobody", None)], embedded=True, endpoints=())
    assert list(found.values()) == [{}, {}]
    assert record_weights([("cooperator", None)], embedded=False, endpoints=()) == {"cooperator": {}}


@pytest.mark.parametrize(("file", "part"), [(WEIGHTS_FILE, "weights"), (CONFIG_FILE, "config")])
def test_changed_weights_names_the_adapter_and_the_file(adapter: Path, file: str, part: str) -> None:
    before = embedded(adapter)
    assert changed_weights(before, embedded(adapter)) == []
    raw = (adapter / file).read_bytes()
    (adapter / file).write_bytes(raw + b" " if part == "config" else raw[:-1] + bytes([raw[-1] ^ 1]))
    (sentence,) = changed_weights(before, embedded(adapter))
    assert sentence.startswith(f"adapter 'mine in {adapter}': the SHA-256 of its {part} was ")


def test_changed_weights_at_a_server_are_found_by_its_root() -> None:
    before, now = (
        record_weights([("ada", None)], embedded=False, endpoints=[server(ada=root)]) for root in ("/v1", "/v2")
    )
    assert changed_weights(before, now) == [f"adapter 'ada': its root at {URL} was /v1 and is /v2"]


def test_changed_weights_takes_unknown_for_no_difference() -> None:
    known = record_weights([("ada", None)], embedded=False, endpoints=[server(ada="/v1")])
    gone = record_weights([("ada", None)], embedded=False, endpoints=[server()])
    assert changed_weights(known, gone) == changed_weights(gone, known) == changed_weights({}, known) == []


def test_weights_identity_follows_what_is_known(adapter: Path) -> None:
    first = weights_identity(*embedded(adapter).values())
    (adapter / WEIGHTS_FILE).write_bytes(b"other")
    assert first != weights_identity(*embedded(adapter).values())
    assert weights_identity({}) == ""
    assert weights_identity({"servers": {URL: {"base": "b", "root": None}}}) == ""


def test_reply_cache_separates_replies_of_other_weights(tmp_path: Path) -> None:
    request = Request(CallKey(0, 0, "ada", Purpose.TALK), "ada", ())
    cache = ReplyCache(tmp_path)
    cache.put(request, Reply("old", Provenance(Tier.EMBEDDED, "ada")), "aaaa")
    assert cache.get(request, "bbbb") is None
    assert cache.get(request) is None
    found = cache.get(request, "aaaa")
    assert found is not None
    assert found.text == "old"
    cache.close()

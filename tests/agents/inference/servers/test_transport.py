"""Decompressing answers for the camel tier: every encoding that is asked for, bounded, and no other."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from agents.inference.errors import BadReplyError
from agents.inference.servers.transport import _decompressed, bounded_client
from agents.inference.servers.wire import LONGEST_BODY

BODY = b'{"choices": []}' * 9
URL = "http://box:8001/v1"


def without_header(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("gzip", gzip.compress(BODY[:40], mtime=0) + gzip.compress(BODY[40:], mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", without_header(BODY)),
    ],
)
def test_bodies_in_every_encoding_are_decompressed(encoding: str, body: bytes) -> None:
    assert _decompressed(body, encoding, URL) == BODY


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("br", BODY, "not asked for"),
        ("gzip", BODY, "is no gzip"),
        ("gzip", without_header(BODY), "is no gzip"),
        ("deflate", BODY, "is no deflate|truncated deflate"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], "truncated gzip"),
    ],
)
def test_bodies_in_a_wrong_encoding_are_refused(encoding: str, body: bytes, message: str) -> None:
    with pytest.raises(BadReplyError, match=message):
        _decompressed(body, encoding, URL)


def test_several_zip_bombs_in_one_body_are_bounded() -> None:
    bombs = gzip.compress(bytes(LONGEST_BODY // 2)) * 3
    tracemalloc.start()
    with pytest.raises(BadReplyError, match="more than 8 MiB"):
        _decompressed(bombs, "gzip", URL)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 * LONGEST_BODY


def test_only_readable_encodings_are_asked_for() -> None:
    assert bounded_client(URL).headers["Accept-Encoding"] == "gzip, deflate"

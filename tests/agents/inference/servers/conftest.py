"""Slots at servers that are never asked, and calls that take one."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from agents.inference.backend import EndpointSettings, InferenceSettings, Route
from agents.inference.errors import InferenceError
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.slots import Slots
from tests.agents.inference.conftest import make_request

LEFT, RIGHT = "http://left/v1", "http://right/v1"


def slots_of(*given: str | EndpointSettings, **changes: Any) -> Slots:
    """Slots at servers that answered: each serves `cooperator` and `defector`. No socket is opened."""
    settings = InferenceSettings(**({"timeout": 5.0, "cooldown": 0.2} | changes))
    registry = EndpointRegistry(given or (LEFT, RIGHT), settings)
    for endpoint in registry.endpoints:
        endpoint.answered([ServedModel("cooperator", "base"), ServedModel("defector", "base")])
    return Slots(registry)


async def fail(slots: Slots, error: InferenceError) -> Endpoint:
    """One call that ends with `error`; the endpoint that it was sent to."""
    with suppress(type(error)):
        async with slots.lease(make_request(), Route()) as endpoint:
            raise error
    return endpoint


async def url_taken(slots: Slots, **changes: Any) -> str:
    """One call that succeeds; the URL of the endpoint that it was sent to."""
    async with slots.lease(make_request(**changes), Route(until=time.monotonic() + 1)) as endpoint:
        return endpoint.url

"""Proxies that the environment names, such as HTTP_PROXY; `inference.trust_env: true` uses them."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_hint(url: str) -> str:
    """Return a hint for a server that does not answer, where the environment names a proxy for it that is not used.

    Args:
        url: The server's URL.

    Returns:
        The hint, or an empty text.
    """
    proxies = getproxies()
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        bypassed = _is_loopback(host) or proxy_bypass(parts.netloc)
    except ValueError:
        return ""
    scheme = parts.scheme if parts.scheme in proxies else "all"
    if scheme not in proxies or bypassed:
        return ""
    variable = next((name for name in os.environ if name.lower() == f"{scheme}_proxy"), f"{scheme}_proxy")
    return f"{variable} names a proxy, which is not used; inference.trust_env: true uses it"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Is a file a CycloneDX bill of materials that names what LoRA Society needs, in the versions installed here?"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

NAME = re.compile(r"[A-Za-z0-9._-]+")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed() -> Iterator[str]:
    """What this package needs in any case: no extras, and nothing for another Python."""
    for line in requires("lora-society") or ():
        found = NAME.match(line)
        if found and ";" not in line:
            yield normal(found.group())


def problems(bill: Any) -> Iterator[str]:
    if not isinstance(bill, dict) or bill.get("bomFormat") != "CycloneDX":
        yield "it is no CycloneDX bill of materials"
        return
    named = {normal(each["name"]): each.get("version") for each in bill.get("components", ())}
    for name in needed():
        if named.get(name) != version(name):
            yield f"it says {name} {named.get(name)}; installed is {version(name)}"


def main(path: str) -> int:
    try:
        bill = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    wrong = list(problems(bill))
    for each in wrong:
        print(f"{path}: {each}", file=sys.stderr)
    if not wrong:
        print(f"SBOM: {path}, CycloneDX {bill['specVersion']}, {len(bill['components'])} components")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Known vulnerabilities of what is installed beside this Python; `make audit` runs it.

Exit code 0: there is none but accepted ones. 1: there is one. 3: NOT RUN, no database answered.

A package index that mirrors files only answers every question with "nothing known". So a release that is known to be
vulnerable is asked for first: a database that does not know it is none.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOUND, UNUSABLE, NOT_RUN = 1, 2, 3
CANARY = "jinja2==2.4.1"
SERVICES = ("pypi", "osv")
ACCEPTED = Path(__file__).with_name("accepted_vulnerabilities.txt")
TOOL = Path(sys.prefix) / "tools" / "bin" / "pip-audit"
LONGEST = 600


@dataclass(frozen=True)
class Vulnerability:
    package: str
    version: str
    names: frozenset[str]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {', '.join(sorted(self.names))} ({fix})"


def read_accepted(file: Path) -> dict[tuple[str, str], str]:
    """(package, id) -> reason. Exits where a line is none."""
    accepted = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 3 or not all(parts):
            print(f"{file}:{number}: {line!r} is not: id | package | reason", file=sys.stderr)
            sys.exit(UNUSABLE)
        accepted[normal(parts[1]), parts[0]] = parts[2]
    return accepted


def normal(name: str) -> str:
    """A package's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def ask(tool: str, service: str, *what: str) -> tuple[list[Mapping[str, Any]], str]:
    """What the tool says of each package, and why it says nothing where it does not."""
    url = ("--osv-url", os.environ["AUDIT_OSV_URL"]) if service == "osv" and "AUDIT_OSV_URL" in os.environ else ()
    command = [tool, "--format", "json", "--progress-spinner", "off", "--vulnerability-service", service, *url, *what]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
        found: list[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], str(error)
    except (json.JSONDecodeError, KeyError, TypeError):
        return [], (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return found, ""


def find_service(tool: str) -> str | None:
    """The first database that knows the canary."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "canary.txt"
        file.write_text(f"{CANARY}\n", encoding="utf-8")
        for service in SERVICES:
            found, why = ask(tool, service, "--requirement", str(file), "--no-deps", "--disable-pip")
            if vulnerabilities(found):
                return service
            print(f"{service}: {why or f'does not know that {CANARY} is vulnerable'}", file=sys.stderr)
    return None


def vulnerabilities(found: Iterable[Mapping[str, Any]]) -> list[Vulnerability]:
    return [
        Vulnerability(
            normal(package["name"]),
            package.get("version", "of no known version"),
            frozenset([each["id"], *each.get("aliases", ())]),
            tuple(each.get("fix_versions", ())),
        )
        for package in found
        for each in package.get("vulns", ())
    ]


def report(found: Sequence[Mapping[str, Any]], accepted: Mapping[tuple[str, str], str]) -> int:
    """Say what was found; the exit code."""
    unknown = [package["name"] for package in found if "skip_reason" in package]
    if unknown:
        print(f"the database does not know {len(unknown)} of {len(found)}: {', '.join(sorted(unknown))}")
    bad, used = 0, set()
    for each in vulnerabilities(found):
        reasons = [(each.package, name) for name in each.names if (each.package, name) in accepted]
        used.update(reasons)
        bad += not reasons
        print(f"accepted: {each}: {accepted[reasons[0]]}" if reasons else f"VULNERABLE: {each}")
    for package, name in accepted.keys() - used:
        print(f"accepted, but not found any more: {name} in {package}; take its line out of {ACCEPTED.name}")
    print(f"AUDIT: {bad} not accepted, of {len(found) - len(unknown)} packages")
    return FOUND if bad else 0


def main(tool: str) -> int:
    accepted = read_accepted(Path(os.environ.get("AUDIT_ACCEPTED", ACCEPTED)))
    service = find_service(tool)
    if service is None:
        print("AUDIT: NOT RUN: no database of vulnerabilities can be reached; nothing is known", file=sys.stderr)
        return NOT_RUN
    found, why = ask(tool, service, "--skip-editable", "--path", sysconfig.get_path("purelib"))
    if not found:
        print(f"AUDIT: NOT RUN: {service} answered for {CANARY} and then no more: {why}", file=sys.stderr)
        return NOT_RUN
    return report(found, accepted)


if __name__ == "__main__":
    sys.exit(main(os.environ.get("PIP_AUDIT", str(TOOL))))

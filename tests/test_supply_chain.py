"""`make audit` and `make sbom`: their messages and exit codes for every answer of the tools they use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).parent.parent / ".ci"
CANARY = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"]}]}
SOUND = {"name": "orjson", "version": "3.13.0", "vulns": []}
BAD = {
    "name": "Nothing-Like",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1", "GHSA-1"], "fix_versions": []}],
}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0+cpu)"}

Answers = list[dict[str, Any]]


class Auditor:
    """A program in place of pip-audit: it answers for the canary and for the installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accepted = folder / "accepted.txt"
        self.accepted.write_text("# id | package | reason\n")

    def run(self, canary: Answers | None, installed: Answers | None = None) -> tuple[int, str, str]:
        """None: no answer but a traceback, as without a network."""
        told = {"canary": canary, "installed": installed}
        program = self.folder / "pip-audit"
        program.write_text(
            f"#!{sys.executable}\nimport sys, json\n"
            f"told = json.loads({json.dumps(json.dumps(told))})['installed' if '--path' in sys.argv else 'canary']\n"
            "if told is None: sys.exit('requests.exceptions.ConnectionError: no such host')\n"
            "print(json.dumps({'dependencies': told, 'fixes': []})); sys.exit(any(d.get('vulns') for d in told))\n"
        )
        program.chmod(0o755)
        environment = {**os.environ, "PIP_AUDIT": str(program), "AUDIT_ACCEPTED": str(self.accepted)}
        asked = [sys.executable, str(CI / "audit.py")]
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def auditor(tmp_path: Path) -> Auditor:
    return Auditor(tmp_path)


class TestAudit:
    def test_audit_without_a_known_vulnerability(self, auditor: Auditor) -> None:
        code, out, _ = auditor.run([CANARY], [SOUND])
        assert (code, out) == (0, "AUDIT: 0 not accepted, of 1 packages\n")

    def test_audit_reports_a_vulnerability_with_its_ids(self, auditor: Auditor) -> None:
        code, out, _ = auditor.run([CANARY], [SOUND, BAD])
        assert code == 1
        assert "VULNERABLE: nothing-like 1.0: CVE-1, GHSA-1, PYSEC-1 (not fixed yet)" in out

    @pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1", "GHSA-1"])
    def test_audit_shows_an_accepted_vulnerability_with_its_reason(self, auditor: Auditor, name: str) -> None:
        auditor.accepted.write_text(f"{name} | nothing-like | nothing here calls it\n")
        code, out, _ = auditor.run([CANARY], [BAD])
        assert (code, "nothing here calls it" in out, "VULNERABLE" in out) == (0, True, False)

    def test_acceptance_is_for_one_package_only(self, auditor: Auditor) -> None:
        auditor.accepted.write_text("PYSEC-1 | orjson | nothing here calls it\n")
        code, out, _ = auditor.run([CANARY], [SOUND, BAD])
        assert (code, "not found any more: PYSEC-1 in orjson" in out) == (1, True)

    def test_audit_names_packages_unknown_to_the_database(self, auditor: Auditor) -> None:
        code, out, _ = auditor.run([CANARY], [SOUND, UNKNOWN])
        assert (code, "does not know 1 of 2: torch" in out) == (0, True)

    @pytest.mark.parametrize("canary", [None, [], [{**CANARY, "vulns": []}], [{**UNKNOWN, "name": "jinja2"}]])
    def test_audit_without_a_usable_database_is_not_run(self, auditor: Auditor, canary: Answers | None) -> None:
        code, _, err = auditor.run(canary, [SOUND])
        assert (code, "AUDIT: NOT RUN" in err) == (3, True)

    def test_audit_is_not_run_if_the_database_disappears(self, auditor: Auditor) -> None:
        code, _, err = auditor.run([CANARY], None)
        assert (code, "AUDIT: NOT RUN" in err, "no such host" in err) == (3, True, True)

    def test_acceptance_without_a_reason_is_refused(self, auditor: Auditor) -> None:
        auditor.accepted.write_text("# fine\nPYSEC-1 | nothing-like |\n")
        code, _, err = auditor.run([CANARY], [SOUND])
        assert (code, "accepted.txt:2: 'PYSEC-1 | nothing-like |' is not: id | package | reason" in err) == (2, True)

    def test_accepted_vulnerabilities_of_the_repository_have_reasons(self, auditor: Auditor) -> None:
        auditor.accepted = CI / "accepted_vulnerabilities.txt"
        assert auditor.run([CANARY], [SOUND])[0] == 0


def check_sbom(file: Path) -> tuple[int, str]:
    asked = [sys.executable, str(CI / "check_sbom.py"), str(file)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


class TestBillOfMaterials:
    def bill(self, tmp_path: Path, **changes: str) -> Path:
        from importlib.metadata import distributions

        there = {each.metadata["Name"]: each.version for each in distributions()} | changes
        rows = [{"type": "library", "name": name, "version": told} for name, told in there.items() if told]
        file = tmp_path / "sbom.json"
        file.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": rows}))
        return file

    def test_sbom_of_installed_packages_is_complete(self, tmp_path: Path) -> None:
        code, told = check_sbom(self.bill(tmp_path))
        assert (code, "CycloneDX 1.6" in told) == (0, True), told

    def test_sbom_without_a_requirement_is_refused(self, tmp_path: Path) -> None:
        code, told = check_sbom(self.bill(tmp_path, **{"camel-oasis": ""}))
        assert code == 1
        assert f"it says camel-oasis None; installed is {version('camel-oasis')}" in told

    def test_sbom_with_another_version_is_refused(self, tmp_path: Path) -> None:
        code, told = check_sbom(self.bill(tmp_path, orjson="0.1"))
        assert (code, "it says orjson 0.1" in told) == (1, True)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"bomFormat": "SPDX"}'])
    def test_invalid_sbom_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "sbom.json").write_text(text)
        assert check_sbom(tmp_path / "sbom.json")[0] == 1


def test_tools_are_pinned() -> None:
    lines = [line for line in (CI / "tools.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line.partition("==")[0] for line in lines] == ["pip-audit", "cyclonedx-bom"]
    assert all(line.partition("==")[2] for line in lines)

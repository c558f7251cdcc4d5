"""Build step of the wheel: the shipped scenarios, whose source is the top-level folder, travel inside `simulation`."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithScenarios(build_py):
    """Copies `scenarios/` to `simulation/shipped_scenarios/` of what is built."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "simulation" / "shipped_scenarios"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree("scenarios", target)


setup(cmdclass={"build_py": BuildWithScenarios})

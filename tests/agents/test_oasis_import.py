"""Importing OASIS from several threads leaves the working directory, the logs and the handlers as they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import logging, os, threading
home = os.getcwd()
modules = ("agents.lora_model", "simulation.engine.oasis_platform", "simulation.engine.society")
threads = [threading.Thread(target=__import__, args=(name,)) for name in modules]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert os.getcwd() == home, os.getcwd()
assert not logging.getLogger("social.agent").handlers
print("imported", *(name for name in modules if name in __import__("sys").modules))
"""


BESIDE = """
import sys, threading, time
from agents.inference.embedded.threads import passive_waiting
oasis = threading.Thread(target=__import__, args=("agents.lora_model",))
oasis.start()
while "torch" not in sys.modules and oasis.is_alive(): time.sleep(0.001)
begun = oasis.is_alive()
with passive_waiting():
    import torch.nn
oasis.join()
assert begun and torch is sys.modules["torch"] and torch.nn.Linear
print("imported")
"""


def test_torch_is_imported_whole_beside_oasis(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("imported", "")


def test_contained_import_in_threads_restores_the_directory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = "imported agents.lora_model simulation.engine.oasis_platform simulation.engine.society"
    assert (done.stdout.strip(), done.stderr) == (expected, "")
    assert list(tmp_path.iterdir()) == []

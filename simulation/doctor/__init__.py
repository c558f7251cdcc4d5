"""`society doctor`: checks whether this machine can run a scenario. Each finding names the command that fixes it.

    findings = await examine(DoctorCase.of(plan))

May import `agents`, `games` and the top-level files of `simulation`.
"""

from simulation.doctor.examination import DoctorCase, examine
from simulation.doctor.finding import Diagnosis, Verdict

__all__ = ["Diagnosis", "DoctorCase", "Verdict", "examine"]

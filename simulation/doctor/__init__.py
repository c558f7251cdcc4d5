"""`society doctor`: what stands between this machine and a run, each finding with the command that mends it.

findings = await examine(Case.of(plan))
"""

from simulation.doctor.examination import DoctorCase, examine
from simulation.doctor.finding import Diagnosis, Verdict

__all__ = ["Diagnosis", "DoctorCase", "Verdict", "examine"]

"""`society doctor`: what stands between this machine and a run, each finding with the command that mends it.

findings = await examine(Case.of(plan))
"""

from simulation.doctor.examination import Case, examine
from simulation.doctor.finding import Diagnosis, Verdict

__all__ = ["Case", "Diagnosis", "Verdict", "examine"]

"""The methods of learning by name, one file each."""

from __future__ import annotations

from collections.abc import Mapping

from simulation.sections.training import TrainingMethod
from simulation.training.lesson import Method
from simulation.training.methods.advantage_alignment import advantage_alignment
from simulation.training.methods.evolution import evolution
from simulation.training.methods.exact import exact
from simulation.training.methods.filtered_imitation import filtered_imitation
from simulation.training.methods.imitation import imitation
from simulation.training.methods.lola import lola
from simulation.training.methods.reinforce import reinforce

METHODS: Mapping[TrainingMethod, Method] = {
    TrainingMethod.IMITATION: imitation,
    TrainingMethod.FILTERED_IMITATION: filtered_imitation,
    TrainingMethod.REINFORCE: reinforce,
    TrainingMethod.EXACT: exact,
    TrainingMethod.LOLA: lola,
    TrainingMethod.ADVANTAGE_ALIGNMENT: advantage_alignment,
    TrainingMethod.EVOLUTION: evolution,
}
"""What `training.method` names."""

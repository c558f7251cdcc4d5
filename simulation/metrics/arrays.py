"""The arrays that metrics compute with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"""Two dimensions: of scores, one row per run and one column per task."""

Vector = NDArray[np.float64]
"""One dimension."""

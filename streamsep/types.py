"""Arrays as they are passed between layers.

Inside a sound is (C, N), channels and samples; stems are (S, C, N). At a device's edge, and only
there, it is (device_frames, C).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

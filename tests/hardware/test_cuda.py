"""What only an NVIDIA GPU can show: `pytest -m hardware` on a machine that has one."""

import numpy as np
import pytest

from streamsep.models import BUILTIN, find_model
from streamsep.separation.backend import OnnxBackend
from tests.unit.test_backend import estimates

pytestmark = pytest.mark.hardware


@pytest.mark.parametrize("name", BUILTIN)
def test_a_gpu_gives_what_the_cpu_gives(name):
    gpu, cpu = (OnnxBackend(find_model(name), device=device) for device in ("cuda", "cpu"))
    assert gpu.provider == "CUDA"
    # TF32 has ten bits of mantissa.
    np.testing.assert_allclose(estimates(gpu), estimates(cpu), atol=5e-3)

"""For every test: the same hypothesis examples on every machine, and one thread, since small matrices gain nothing from more."""

from __future__ import annotations

import os

# before numpy is imported: two test processes with two threads each wait for one another most of the time
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "fimcore", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fimcore")
torch.set_num_threads(1)

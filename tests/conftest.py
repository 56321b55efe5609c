"""For every test: the same hypothesis examples on every machine, and one thread, since small matrices gain nothing from more."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fimcore", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fimcore")
torch.set_num_threads(1)

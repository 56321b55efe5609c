"""For every test: hypothesis draws the same examples on every machine and is not judged by its speed."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fimcore", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fimcore")

"""How many examples property tests try: `quick`, always the same ones, and `nightly`, by `HYPOTHESIS_PROFILE`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# How fast a machine is, and what else it does, is no property of the code.
_ANY_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("quick", max_examples=50, derandomize=True, **_ANY_MACHINE)
settings.register_profile("nightly", max_examples=1000, print_blob=True, **_ANY_MACHINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

DEAR = settings(max_examples=settings.default.max_examples // 8)
"""For properties of which each example runs a model several times."""

"""What pytest loads wherever `lect` is installed; light, since every run of pytest imports it."""

from __future__ import annotations

import pytest

# The contracts' checks are plain assertions; this lets pytest show the values in them.
pytest.register_assert_rewrite("lect.testing.contract", "lect.testing.heads", "lect.testing.readers")

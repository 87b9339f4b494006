"""What the tests of the core share."""

from __future__ import annotations

import pytest
from small_library import Bench


@pytest.fixture
def new_bench(tmp_path):
    """Makes a `Bench` in the test's folder, of a family."""
    return lambda family="xlm-roberta": Bench(tmp_path, family)

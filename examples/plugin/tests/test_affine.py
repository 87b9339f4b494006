"""`lect`'s contract, on the example's method."""

from lect.testing import method_contract

test_affine = method_contract("affine", config={"last_layers": 1})

"""`lect`'s contracts, on the example's method, head and reader."""

from lect import Example
from lect.testing import head_contract, method_contract, reader_contract

test_affine = method_contract("affine", config={"last_layers": 1})
test_ordinal = head_contract("ordinal", [Example(f"{stars} stars", label=stars) for stars in ("1", "2", "5")])
test_lang = reader_contract("lang", "# a span\n;one day\nun jour\n\n;two\ndeux\n\n")

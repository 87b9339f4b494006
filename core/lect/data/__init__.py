"""Examples, and what reads them."""

from lect.data.examples import Example

__all__ = ["Example"]

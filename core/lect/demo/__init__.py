"""`lect demo`: a language the backbone cannot read, taught in minutes from data that comes with Babel."""

from lect.demo.story import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]

"""The field of a configuration that names other components."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from lect.composition.stack import Reference, parse_stack
from lect.errors import StackError
from lect.fields import tuple_of


def check_over(texts: tuple[str, ...]) -> tuple[str, ...]:
    """At least two components by role and name, no two the same; in the form that stacks print."""
    found: list[Reference] = []
    for text in texts:
        try:
            parts = parse_stack(text).parts
        except StackError as error:
            raise ValueError(f'"{text}" should be a component such as lang:jav ({error.what})') from None
        if len(parts) != 1 or not isinstance(parts[0], Reference):
            # By a path, nobody else would find it.
            raise ValueError(f'"{text}" should be one component by role and name, such as lang:jav')
        if any(parts[0].key == other.key for other in found):
            raise ValueError(f'"{parts[0].key}" is there twice')
        found.append(parts[0])
    if len(found) < 2:
        raise ValueError("should be at least two components")
    return tuple(map(str, found))


Over = Annotated[tuple[str, ...], BeforeValidator(tuple_of), AfterValidator(check_over)]
"""Components by role and name."""

"""What servers are made of: components attached by their content, and rows of any stacks computed in one batch.

`read_with_digests` reads a stack and says of which content it is, `assemblies` what is to be attached for it (under
keys that the digests are in: `DigestedStack.key`), `attach_to_engine` and `detach_from_engine` do so while others are
answered, `prepare_rows` cuts texts into tokens and `compute_rows` answers rows of any stacks together.
`AutomaticStacks` puts a component in the place of ``lang:auto`` for each text, and says which and why.
"""

from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.composition.references import Reference
from lect.device import default_device
from lect.engine.engine import Engine, Keys
from lect.engine.open import DEFAULT_BACKBONE, OpenStack, check_heads
from lect.engine.prepared import PreparedRow, attach_to_engine, compute_rows, detach_from_engine, prepare_rows
from lect.engine.records import record_of_prediction
from lect.explain.explain import explain
from lect.retrieval.index import Index, check_weights, read_index
from lect.selection.automatic import AutomaticStacks, Choice, rest_of, with_auto
from lect.selection.donors import is_automatic
from lect.storage.assemble import Assembly, assemblies, finder, must_generate
from lect.storage.digests import DigestedStack, content_digest, file_states, read_with_digests
from lect.storage.gates import gated_terms, use_of
from lect.storage.known_components import KnownComponents
from lect.storage.library import LibraryState
from lect.storage.manifest import Manifest
from lect.storage.store import StoredComponent

__all__ = [
    "DEFAULT_BACKBONE",
    "Assembly",
    "AutomaticStacks",
    "Choice",
    "Component",
    "DigestedStack",
    "Engine",
    "Index",
    "Keys",
    "KnownComponents",
    "LibraryState",
    "Manifest",
    "OpenStack",
    "PreparedRow",
    "Reference",
    "RoutedModel",
    "StoredComponent",
    "assemblies",
    "attach_to_engine",
    "check_heads",
    "check_weights",
    "compute_rows",
    "content_digest",
    "default_device",
    "detach_from_engine",
    "explain",
    "file_states",
    "finder",
    "gated_terms",
    "is_automatic",
    "must_generate",
    "prepare_rows",
    "read_index",
    "read_with_digests",
    "record_of_prediction",
    "rest_of",
    "use_of",
    "with_auto",
]

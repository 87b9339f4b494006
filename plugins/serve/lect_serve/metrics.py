"""Figures for Prometheus. No series is made of what clients send, so there are as many however many components."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The server's own registry of figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = {"registry": self.registry}
        self.requests = Counter("lect_requests", "Requests answered", ["route", "status"], **own)
        self.seconds = Histogram("lect_request_seconds", "From request to answer", ["route"], buckets=_SECONDS, **own)
        self.texts = Counter("lect_texts", "Texts computed", **own)
        self.tokens = Counter("lect_tokens", "Tokens computed", **own)
        self.batch_rows = Histogram("lect_batch_rows", "Texts of a batch", buckets=_SIZES, **own)
        self.batch_seconds = Histogram("lect_batch_seconds", "Time of a batch", buckets=_SECONDS, **own)
        self.queued = Gauge("lect_queued_texts", "Texts that wait", **own)
        self.components = Gauge("lect_components", "Components that are attached", **own)
        self.component_bytes = Gauge("lect_component_bytes", "Bytes of the components that are attached", **own)
        self.graph_recordings = Gauge("lect_graph_recordings", "CUDA graphs that were recorded", **own)
        self.graph_replays = Gauge("lect_graph_replays", "Passes through the layers by a CUDA graph", **own)
        self.graph_refusals = Gauge("lect_graph_refusals", "Passes without a CUDA graph, by why", ["why"], **own)
        self.cancelled = Counter("lect_cancelled_requests", "Requests whose clients left", **own)

    def batch(self, rows: int, tokens: int, seconds: float) -> None:
        """Note a batch."""
        self.texts.inc(rows)
        self.tokens.inc(tokens)
        self.batch_rows.observe(rows)
        self.batch_seconds.observe(seconds)

    def attached(self, count: int, size: int) -> None:
        """Note what is attached."""
        self.components.set(count)
        self.component_bytes.set(size)

    def graphs(self, recorded: int, replayed: int, refused: Mapping[str, int]) -> None:
        """Note how many passes there were by CUDA graphs, and without, by why."""
        self.graph_recordings.set(recorded)
        self.graph_replays.set(replayed)
        for why, count in refused.items():
            self.graph_refusals.labels(why).set(count)

    def text(self) -> bytes:
        """All figures in Prometheus's format."""
        return generate_latest(self.registry)

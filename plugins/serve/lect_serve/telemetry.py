"""Spans for OpenTelemetry, where it is installed; whoever runs the server says where they go (`OTEL_…`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

try:
    from opentelemetry import propagate, trace
except ImportError:  # the extra `telemetry` is not installed
    trace = propagate = None  # type: ignore[assignment]


def span_of(scope: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """A block in which a request is a span, beneath the one that its headers name; gives the span, or None."""
    if trace is None:
        return nullcontext()
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    tracer = trace.get_tracer("lect.serve")
    return tracer.start_as_current_span(
        f"{scope['method']} request", context=propagate.extract(headers), kind=trace.SpanKind.SERVER
    )


def describe(span: Any, facts: Mapping[str, Any]) -> None:
    """Say in a span what was asked for, and how it was answered; no texts."""
    if span is None:
        return
    span.update_name(f"{facts['method']} {facts['route']}")
    named = {"route": "http.route", "method": "http.request.method", "status": "http.response.status_code",
             "rows": "lect.texts", "tokens": "lect.tokens"}  # fmt: skip
    for name, attribute in named.items():
        if name in facts:
            span.set_attribute(attribute, facts[name])
    if facts["status"] >= 500:
        span.set_status(trace.StatusCode.ERROR)

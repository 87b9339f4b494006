"""Whether the server lives and is ready, and its figures."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from lect_serve.routes.common import ServiceOf

router = APIRouter(tags=["operations"])


@router.get("/health/live")
async def live() -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "alive"})


@router.get("/health")
@router.get("/health/ready")
async def ready(service: ServiceOf) -> Response:
    """200 while requests are answered, 503 while the server starts, stops or could not start."""
    body = {"status": service.state}
    if service.state != "ready":
        return JSONResponse(body, status_code=503, headers={"retry-after": "2"})
    return JSONResponse(
        {**body, "queued_texts": service.scheduler.rows, "wait_seconds": round(service.scheduler.wait, 3)}
    )


@router.get("/metrics")
async def metrics(service: ServiceOf) -> Response:
    """Figures in Prometheus's format."""
    if service.state == "ready":
        service.metrics.queued.set(service.scheduler.rows)
        if (graphs := service.engine.model.graphs) is not None:
            service.metrics.graphs(graphs.recorded, graphs.replayed, graphs.refused)
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

"""Items that workers of a Ray cluster answer, by Ray Data: read in one task, answered in actors, in their order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow
import ray
from ray import cloudpickle
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.exceptions import RayError, RayTaskError

from lect import StreamWork, UserError
from lect_ray.cluster import cluster, first_line, room_for

if TYPE_CHECKING:
    from lect_ray.plugin import RayConfig


def answer_on_ray(config: RayConfig, work: StreamWork) -> Iterator[Any]:
    """The results of the items, as `lect.specs.ExecutorSpec.answer`.

    Raises:
        UserError: there is no such cluster, none of its machines has what a worker takes, or it lost one too often.
    """
    with cluster(config), _quiet():
        try:
            for batch in _results(config, work).iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=0):
                result = cloudpickle.loads(batch["item"][0].as_py())
                if isinstance(result, UserError):
                    raise result
                yield result
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error
            raise UserError(
                f"a worker failed or was lost: {first_line(cause)}",
                where="--on ray",
                fix="go on with --resume where answers go to a file, or give each worker more",
            ) from error


def _results(config: RayConfig, work: StreamWork) -> ray.data.Dataset:
    context = ray.data.DataContext.get_current()
    before = context.copy()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    # Each item is a block of its own: it is answered, and lost with its worker, alone.
    context.target_max_block_size = context.target_min_block_size = 1
    try:
        # What reads takes no core away from the workers: it waits for them nearly all of the time.
        items = ray.data.read_datasource(_Items(work), override_num_blocks=1, concurrency=1, num_cpus=0)
        return items.map_batches(
            _Answering,
            fn_constructor_args=(work,),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=config.workers or room_for(config)),
            num_cpus=config.cpus,
            num_gpus=config.gpus or None,
            resources=config.resources or None,
            udf_modifying_row_count=False,
        )
    finally:
        # A data set keeps the settings that it was made with.
        context.enable_progress_bars = before.enable_progress_bars
        context.execution_options = before.execution_options
        context.target_max_block_size = before.target_max_block_size
        context.target_min_block_size = before.target_min_block_size


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which Ray Data does not tell of each step that it takes."""
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Items(Datasource):
    """The items of the work, as one task reads them, each a row of a single binary column."""

    def __init__(self, work: StreamWork) -> None:
        super().__init__()
        self._work = work

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *args: Any, **options: Any) -> list[ReadTask]:
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        work = self._work
        return [ReadTask(lambda: _read(work), unknown)]


class _Answering:
    """An actor that answers items with a worker that it opens once."""

    def __init__(self, work: StreamWork) -> None:
        self._work, self._worker = work, None

    def __call__(self, batch: Any) -> Any:
        return _table(self._answer(cloudpickle.loads(item.as_py())) for item in batch["item"])

    def _answer(self, item: Any) -> Any:
        if isinstance(item, UserError):
            return item
        try:
            self._worker = self._worker or self._work.open_worker()
            return self._worker(item)
        except UserError as error:
            return error


def _read(work: StreamWork) -> Iterator[Any]:
    try:
        for item in work.items():
            yield _table([item])
    except UserError as error:
        yield _table([error])


def _table(items: Any) -> Any:
    return pyarrow.table({"item": pyarrow.array([cloudpickle.dumps(item) for item in items], pyarrow.binary())})

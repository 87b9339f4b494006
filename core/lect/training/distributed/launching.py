"""Several processes of one command line, started and ended together by Accelerate's launcher (torchrun)."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lect.errors import UserError
from lect.threads import threads_of_each

_MAIN_PORT = 29500


@dataclass(frozen=True)
class Launch:
    """How many processes, and where.

    Args:
        processes: on this machine; None for one for each GPU.
        machines: that take part, each with as many processes.
        machine_rank: which of them this one is.
        main_address, main_port: where the others reach the first one.
        config: a file that `accelerate config` wrote.
    """

    processes: int | None = None
    machines: int = 1
    machine_rank: int = 0
    main_address: str | None = None
    main_port: int | None = None
    config: Path | None = None


def launch_training(launch: Launch, command: Sequence[str]) -> int:
    """Run `lect` with these arguments in each process; the exit code of the one that failed first, or 0.

    Raises:
        UserError: the launch makes no sense, or a process was killed and could say nothing itself.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    processes = launch.processes or (torch.cuda.device_count() if has_gpu else 1)
    _check(launch, processes, torch.cuda.device_count() if has_gpu else None)
    if processes * launch.machines == 1 and launch.config is None:
        with _passing_on_interrupts():
            return subprocess.run([sys.executable, "-m", "lect", *command], check=False).returncode
    from accelerate.commands.launch import launch_command, launch_command_parser

    arguments = _arguments(launch, processes)
    parsed = launch_command_parser().parse_args([*arguments, "--module", "lect", *command])
    if not has_gpu:
        os.environ["ACCELERATE_USE_CPU"] = "true"
        # As many threads as the machine has cores for each: without a word they would all use all of them.
        os.environ.update(threads_of_each(processes))
    # One line of our own says what went wrong.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.run").setLevel(logging.CRITICAL)
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # By itself it would kill them half a minute after Ctrl-C.
    parsed.signals_to_handle = "SIGTERM,SIGHUP,SIGQUIT"
    try:
        with _passing_on_interrupts():
            launch_command(parsed)
    except ChildFailedError as error:
        return _code(error)
    except SignalException as ended:
        return 128 + int(ended.sigval)
    return 0


def _check(launch: Launch, processes: int, gpus: int | None) -> None:
    if launch.machines > 1 and launch.main_address is None:
        raise UserError(
            "several machines must know where the main one is", where="--main-address", fix="give its name or address"
        )
    if launch.machine_rank >= launch.machines:
        raise UserError(
            f"there is no machine {launch.machine_rank} among {launch.machines}",
            where="--machine-rank",
            fix=f"count from 0 to {launch.machines - 1}",
        )
    if gpus is not None and processes > gpus:
        raise UserError(
            f"{processes} processes need as many GPUs, and this machine has {gpus}",
            where="--processes",
            fix=f"ask for {gpus} at most",
        )
    if launch.config is not None and not launch.config.is_file():
        raise UserError("there is no such file", where=str(launch.config), fix="write one with: accelerate config")


def _arguments(launch: Launch, processes: int) -> list[str]:
    total = processes * launch.machines
    # Port 0 is any free one, which others than this machine could not know.
    port = launch.main_port or (_MAIN_PORT if launch.machines > 1 else 0)
    arguments = [
        f"--num_processes={total}",
        f"--num_machines={launch.machines}",
        f"--machine_rank={launch.machine_rank}",
        f"--main_process_port={port}",
        "--mixed_precision=no",
        "--dynamo_backend=no",
    ]
    if launch.main_address is not None:
        arguments.append(f"--main_process_ip={launch.main_address}")
    if launch.config is not None:
        return [f"--config_file={launch.config}", *arguments]
    return ["--multi_gpu", *arguments]


def _code(error: Any) -> int:
    rank, failure = error.get_first_failure()
    if failure.exitcode >= 0:
        return int(failure.exitcode)
    name = signal.Signals(-failure.exitcode).name
    raise UserError(
        f"process {rank} was killed ({name}), and the others were ended with it",
        where="lect launch",
        fix="see whether the machine ran out of memory; go on with --resume",
    )


@contextmanager
def _passing_on_interrupts() -> Iterator[None]:
    """Ctrl-C goes to the processes, which stop after their step; the launcher ends when they have."""
    import psutil

    def pass_on(number: int, _frame: object) -> None:
        for child in psutil.Process().children():
            if os.getpgid(child.pid) != os.getpgid(0):
                child.send_signal(number)

    before = signal.signal(signal.SIGINT, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

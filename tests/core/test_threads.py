"""What processes that run at once are told of the cores they share."""

import os

import pytest

from lect.fleet.local import LocalConfig, run_locally
from lect.runs import Job
from lect.threads import WAITING, cores, threads_of_each, wait_asleep


@pytest.fixture
def four_cores(monkeypatch, tmp_path):
    """A machine of eight cores, four of which this process is bound to."""
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(4)), raising=False)
    monkeypatch.setattr("lect.threads._GROUP", tmp_path / "cpu.max")
    return tmp_path / "cpu.max"


def test_cores_are_those_that_the_process_may_use(four_cores):
    assert cores() == 4
    for share, count in (("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1), ("900000 100000", 4)):
        four_cores.write_text(f"{share}\n")
        assert cores() == count


@pytest.mark.parametrize(("processes", "threads"), [(1, "4"), (2, "2"), (3, "1"), (16, "1")])
def test_cores_are_divided_among_processes(four_cores, processes, threads):
    assert threads_of_each(processes, {"HOME": "/"}) == {"OMP_NUM_THREADS": threads, **WAITING}


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_what_the_user_has_set_stays(four_cores, name):
    assert threads_of_each(2, {"OMP_NUM_THREADS": "3"}) == WAITING
    assert threads_of_each(2, {name: "7"}) == {"OMP_NUM_THREADS": "2"}
    environment = {name: "7"}
    wait_asleep(environment)
    assert environment == {name: "7"}
    wait_asleep(environment := {})
    assert environment == WAITING


@pytest.mark.processes
def test_jobs_of_a_fleet_share_the_cores(four_cores, tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", *WAITING):
        monkeypatch.delenv(name, raising=False)
    said = "import os; print(*(os.environ.get(name) for name in ('OMP_NUM_THREADS', 'OMP_WAIT_POLICY')))"
    monkeypatch.setattr("lect.fleet.job._PROGRAM", said)
    jobs = [Job(name, (), tmp_path, tmp_path / name) for name in ("one", "two")]
    events = list(run_locally(LocalConfig(), jobs, 2))
    assert [event.code for event in events if event.code is not None] == [0, 0]
    assert {job.log.read_text() for job in jobs} == {"2 PASSIVE\n"}
    assert "OMP_NUM_THREADS" not in os.environ

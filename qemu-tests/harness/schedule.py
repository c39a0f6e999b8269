"""Runs the jobs of all stages on a few workers, and measures the time of each stage.

Every worker is a thread with a network namespace of its own: hosts on different workers use
the same addresses and do not see each other.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .namespaces import enter_own_network
from .results import Results


@dataclass(frozen=True)
class Job:
    """A case, a boot, or the preparation of a stage; `run` reports into the results itself."""

    stage: str
    run: Callable[[], None]


@dataclass
class Times:
    """The times of one stage in seconds: `busy` is the sum of its jobs, `wall` the time from the
    first start to the last end."""

    jobs: int = 0
    busy: float = 0.0
    started: float | None = None
    wall: float = 0.0

    def __str__(self) -> str:
        return f"{self.jobs} jobs in {self.wall:.0f} s, {self.busy:.0f} s of work"


@dataclass
class Schedule:
    """The queue of jobs, which start in its order. A stage ends with its last job."""

    jobs: deque[Job]
    results: Results
    times: dict[str, Times] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, jobs: Iterable[Job], results: Results) -> "Schedule":
        return cls(deque(jobs), results)

    def run(self, workers: int) -> None:
        """Returns when the queue is empty and every worker has finished."""
        self._left = {}
        for job in self.jobs:
            self._left[job.stage] = self._left.get(job.stage, 0) + 1
            self.times.setdefault(job.stage, Times())
        threads = [threading.Thread(target=self._work, daemon=True)
                   for _ in range(min(workers, len(self.jobs)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        try:
            enter_own_network()
            while job := self._next():
                started = time.monotonic()
                job.run()
                self._done(job, started)
        except Exception as error:
            self.results.broke("a worker", error)

    def _next(self) -> Job | None:
        with self.lock:
            if not self.jobs:
                return None
            job = self.jobs.popleft()
            times = self.times[job.stage]
            if times.started is None:
                times.started = time.monotonic()
            return job

    def _done(self, job: Job, started: float) -> None:
        now = time.monotonic()
        with self.lock:
            times = self.times[job.stage]
            times.jobs += 1
            times.busy += now - started
            times.wall = now - times.started
            self._left[job.stage] -= 1
            ended = not self._left[job.stage]
        if ended:
            self.results.say(f"stage {job.stage}: {times}")


def default_workers() -> int:
    """One for each CPU: an emulated guest keeps one busy."""
    return max(1, os.cpu_count() or 1)

"""Tells the metrics how unattended work goes, as its records in the store say."""

from data import runs
from data.runs import Status
from data.store import Store
from service import metrics
from service.passed import passed

EVERY = 15
"""Seconds between two looks at the records: jobs run by the hour."""
WELL: frozenset[Status] = frozenset({"done", "held"})
FAILED: frozenset[Status] = frozenset({"failed", "killed"})


class Jobs:
    """What a worker knows of jobs, told to the metrics with each ``follow``."""

    def __init__(self) -> None:
        self._looked = -EVERY

    def follow(self, store: Store, now: int) -> None:
        """Look at the records if it is time to. Raises ``DataError`` where the store fails.

        A run under way, or one that was told to stop, says nothing of how the job fares: what the
        one before it told stays.
        """
        if not passed(self._looked, EVERY, now):
            return
        self._looked = now
        done = runs.last(store, "done")
        for job, run in runs.last(store).items():
            metrics.JOB_RUNNING.labels(job).set(run.status == "running")
            metrics.JOB_SUCCESS.labels(job).set(done[job].ended if job in done else 0)
            if run.status in WELL | FAILED:
                metrics.JOB_FAILED.labels(job).set(run.status in FAILED)
            if run.ended:
                metrics.JOB_SECONDS.labels(job).set(run.ended - run.started)

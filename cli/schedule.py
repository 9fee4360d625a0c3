"""``recsys schedule``: runs jobs when they are due, each in a process of its own."""

import signal
import threading
from types import FrameType

import typer


def schedule(context: typer.Context) -> None:
    """Run jobs when they are due, until stopped with Ctrl-C or SIGTERM.

    One process, in the foreground, for systemd, Compose or Kubernetes. The
    configuration says when each job is due, as a crontab does; without one,
    every hour a training, and every night a backup, retention and a report:

    \b
      jobs.timezone = "Europe/Vienna"
      jobs.retrain.cron = "*/30 * * * *"   # every half hour
      jobs.retrain.timeout = 3600          # seconds; then it is ended
      jobs.backup.cron = ""                # never

    Jobs run one after another, each as `recsys job NAME` in a process of its
    own. What was missed is made up for, once. Several machines may keep the
    same schedule: what one does, the others leave alone. Needs no state but
    the store; stop and start it at any time.

    \b
      recsys schedule
      recsys job list             what is due when, and how the last run went
      recsys job log              how the runs before went

    Logs go to standard error, one JSON object a line.
    """
    import structlog

    from cli.timekeeper import Timekeeper
    from service import logs

    logs.configure()
    log = structlog.get_logger(__name__)
    stop = threading.Event()

    def told(number: int, _: FrameType | None) -> None:
        log.info("schedule ends", signal=signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    Timekeeper(context.obj, stop).run()

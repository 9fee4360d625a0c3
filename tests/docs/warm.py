"""Does what `recsys` does in forks of a process that has loaded it: loading takes most of the time.

Each line that comes through the named pipe FIFO asks for one command: the process whose files and
directory it gets, the pipe to which its exit code goes, and its words (parted by NUL, in base64).
"""

import base64
import os
import signal
import sys

import data.store
import recsys.bundle
import recsys.engine
from cli.main import run

LOADED = (data.store, recsys.bundle, recsys.engine)


def main(fifo: str) -> None:
    """Do what is asked for, until nobody can ask any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Open for writing too: without a writer there would be an end between two questions.
    with os.fdopen(os.open(fifo, os.O_RDWR), "r") as asked:
        while line := asked.readline():
            caller, reply, words = line.split(" ")
            if os.fork() == 0:
                do(f"/proc/{caller}", reply, base64.b64decode(words).decode().split("\0")[:-1])


def do(caller: str, reply: str, words: list[str]) -> None:
    """Run one command with the files of its caller, and tell its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, flags in enumerate((os.O_RDONLY, os.O_WRONLY | os.O_APPEND)[i] for i in (0, 1, 1)):
        os.dup2(os.open(f"{caller}/fd/{number}", flags), number)
    os.chdir(f"{caller}/cwd")
    sys.argv = ["recsys", *words]
    code: object = 1
    try:
        run()
        code = 0
    except SystemExit as left:
        code = left.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with open(reply, "w") as answer:  # noqa: PTH123 (a pipe)
            answer.write(f"{code}\n")
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

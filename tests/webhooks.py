"""A webhook that tests post to: a real server that keeps what it hears, and answers as told."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SECRET = "T0/B1/x9y8z7"
"""Its path, as those who host webhooks give everybody another one."""


@dataclass
class Hook:
    """What it was told, in order."""

    url: str
    answers: tuple[int | None, ...]
    """Statuses, the last one from then on; None holds the line and says nothing."""
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> list[str]:
        """What happened, in the words of the alerts."""
        return [body["event"] for body in self.bodies]


@contextmanager
def listening(*answers: int | None) -> Iterator[Hook]:
    """Listen on a free port of this machine; answers 200 where nothing else is said."""
    over = threading.Event()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.bodies.append(json.loads(body))
            status = hook.answers[min(len(hook.bodies), len(hook.answers)) - 1]
            if status is None:
                over.wait(60)
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    hook = Hook(f"http://127.0.0.1:{server.server_port}/{SECRET}", answers or (200,))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hook
    finally:
        over.set()
        server.shutdown()
        server.server_close()

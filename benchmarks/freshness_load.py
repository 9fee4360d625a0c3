"""Reads pages in the background while freshness is measured, from a process of its own."""

import http.client
import itertools
import json
import multiprocessing
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
from running import Service

from recsys.types import Article


@dataclass(frozen=True, slots=True)
class Answers:
    """How background traffic fared."""

    seconds: np.ndarray
    failed: int


class Load:
    """Background traffic from a process of its own."""

    def __init__(self, service: Service, pages: Sequence[Article], token: str, rate: float) -> None:
        ids = [(article.site, article.key) for article in pages]
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_traffic, args=(theirs, service.port, ids, token, rate), daemon=True
        )

    def __enter__(self) -> "Load":
        self._process.start()
        return self

    def began(self) -> None:
        """Count from here on."""
        self._pipe.send("began")

    def so_far(self) -> Answers:
        """Return what was counted."""
        self._pipe.send("told")
        seconds, failed = self._pipe.recv()
        return Answers(np.array(seconds or [np.nan]), failed)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _traffic(pipe: Any, port: int, ids: list[tuple[str, str]], token: str, rate: float) -> None:
    """Ask for pages at ``rate`` a second in all, for as long as the process lives."""
    seconds: list[float] = []
    failed: list[str] = []
    threads = 16 if rate else 0
    for number in range(threads):
        arguments = (number, port, ids, token, rate / threads, seconds, failed)
        threading.Thread(target=_readers, args=arguments, daemon=True).start()
    while True:
        if pipe.recv() == "told":
            pipe.send((list(seconds), len(failed)))
        else:
            seconds.clear()
            failed.clear()


def _readers(
    number: int,
    port: int,
    ids: list[tuple[str, str]],
    token: str,
    rate: float,
    seconds: list[float],
    failed: list[str],
) -> None:
    draw = random.Random(number)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    due = time.perf_counter()
    for view in itertools.count():
        due = max(due + draw.expovariate(rate), time.perf_counter() - 1.0)
        time.sleep(max(due - time.perf_counter(), 0.0))
        (site, page), *before = draw.choices(ids, k=4)
        asked = {"site": site, "key": page, "history": ",".join("/".join(one) for one in before)}
        began = time.perf_counter()
        try:
            connection.request("GET", f"/v1/recommendations?{urlencode(asked)}")
            answer = connection.getresponse()
            box = json.loads(answer.read())
            seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                failed.append(str(answer.status))
            elif view % 5 == 0:
                connection.request("POST", "/v1/events", _did(draw, box, site, page), headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 202:
                    failed.append(str(answer.status))
        except (OSError, http.client.HTTPException, ValueError) as error:
            failed.append(str(error))
            connection.close()


def _did(draw: random.Random, box: dict[str, Any], site: str, page: str) -> str:
    """Return what a reader did: opened the page, saw the box, and one time in five followed it."""
    visit = f"s{draw.getrandbits(64)}"
    rows: list[dict[str, Any]] = [
        {"kind": "read", "site": site, "key": page, "id": visit, "session": visit}
    ]
    for position, item in enumerate(box["items"]):
        card = {"site": item["site"], "key": item["key"], "session": visit}
        card |= {"slate": box["slate"], "position": position}
        rows.append({"kind": "impression", **card})
        if draw.random() < 0.05:
            rows.append({"kind": "click", **card})
    return json.dumps({"events": rows})

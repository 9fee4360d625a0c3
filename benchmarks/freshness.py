"""Measures how long until what is published, clicked, ruled or taken down shows in answers.

A service of two workers answers background traffic all the while: page views, of which every fifth
is followed by what its reader did. Clients of both workers ask without a pause for the answer that
must change; a sample is the time from sending the write until the later of the two workers gave the
first answer that shows it, so it holds the times of the write and of that answer too:

- an article: `PUT /v1/articles` with the words of another one, until the box under that other one
  shows it; rounds begin at random, so that they keep no step with what the service does once a
  second
- a click: `POST /v1/events` of a reader who was not known, on the first card of their box, until
  their box does not hold that card
- a rule that blocks the article, its end, and `DELETE /v1/articles/…`: likewise

Reference, in the same run: the same box asked for by the same clients while nothing is written,
since no effect can be seen sooner than an answer takes. At the end bundles are swapped, one every
five seconds, and background answers compared with those of as long a time without.
"""

import dataclasses
import functools
import http.client
import itertools
import json
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from freshness_load import Answers, Load
from measure import parser, table, tell
from running import Service, fill, generate, key, processor, recsys, serving

from data.store import Store
from recsys import bundle as bundles
from recsys.manifest import FORMAT
from recsys.types import Article

BOUND = 2.0
"""Seconds within which 99 of 100 must be seen."""
KINDS = {
    "article": "an article is recommended",
    "click": "a click changes its reader's box",
    "block": "an editor's block is obeyed",
    "undo": "and forgotten when undone",
    "takedown": "a takedown is gone",
}
PATIENCE = 30.0
CARDS = 50


def main() -> None:
    """Serve, load, sample, and tell."""
    known = parser(__doc__)
    known.add_argument(
        "--var", type=Path, help="what `recsys train` made, to be copied; else it is made here"
    )
    known.add_argument("--size", default="small", help="sample network to make without --var")
    known.add_argument("--samples", type=int, default=200, help="of each kind")
    known.add_argument(
        "--rate", type=float, default=100.0, help="page views a second in the background; 0: none"
    )
    known.add_argument("--lanes", type=int, default=3, help="rounds that go on at a time")
    known.add_argument("--swaps", type=int, default=4, help="bundles to swap at the end; 0: none")
    options = known.parse_args()
    with tempfile.TemporaryDirectory(prefix="recsys-fresh-") as folder:
        var = Path(folder) / "var"
        if options.var is None:
            generate(var / "network", "--size", options.size)
            fill(var, var / "network")
            recsys(var, "train")
        else:
            shutil.copytree(options.var, var)
        pages = _pages(var)
        token = key(var, "articles", "events", "editor")
        with serving(var) as service:
            text = _measured(service, var, pages, token, options)
    bundle = pages.articles
    title = f"Freshness: {bundle:,} articles, {options.rate:g} page views a second, two workers"
    tell("freshness", title, text, options.record)


@dataclass(frozen=True, slots=True)
class Pages:
    """What readers may open."""

    articles: int
    """In all."""
    newest: list[Article]
    sites: list[str]


def _pages(var: Path) -> Pages:
    root = var / "bundles"
    bundle = bundles.open_bundle(root / bundles.current(root))
    catalogue = bundle.catalogue
    rows = np.argsort(-catalogue.published, kind="stable")
    rows = rows[catalogue.published[rows] <= time.time()][:2000]
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        found = [store.article(catalogue.id(row)) for row in rows.tolist()]
    newest = [article for article in found if article and len(article.body.split()) > 40]
    return Pages(len(catalogue), newest, list(catalogue.sites))


def _measured(service: Service, var: Path, pages: Pages, token: str, options: Any) -> str:
    _wait_until_ready(service)
    with Load(service, pages.newest, token, options.rate) as load:
        time.sleep(5.0)  # the first answers find nothing in any cache
        workers = service.workers()
        load.began()
        began, spent = time.monotonic(), processor(workers)
        taken = Samples()
        rounds = itertools.count()
        lanes = [
            threading.Thread(
                target=_lane, args=(service, pages, token, rounds, options.samples, taken)
            )
            for _ in range(options.lanes)
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        wall = time.monotonic() - began
        busy = (processor(workers) - spent) / wall
        background = load.so_far()
        if taken.failures:
            raise SystemExit("\n".join(taken.failures))
        text = _told(taken, background, wall, busy, options)
        return text + (_swapped(service, var, load, options.swaps) if options.swaps else "")


def _swapped(service: Service, var: Path, load: Load, swaps: int) -> str:
    """Return what swapping bundles that differ in nothing but their names does to answers."""
    root = var / "bundles"
    first = bundles.current(root)
    bundle = bundles.open_bundle(root / first)
    stated = dataclasses.replace(
        bundle.manifest, format=FORMAT, created=bundle.manifest.created + 1
    )
    second = bundles.write(dataclasses.replace(bundle, manifest=stated), root).name
    load.began()
    time.sleep(5.0 * swaps)
    still = load.so_far()
    load.began()
    for wanted in itertools.islice(itertools.cycle((second, first)), swaps):
        bundles.publish(root, wanted)
        time.sleep(5.0)
    swapped = load.so_far()
    for client in _clients(service):
        if client.ask("GET", "/readyz")["bundle"] != wanted:
            raise SystemExit(f"a worker has not taken up {wanted}")
    rows = []
    for name, answers in (("no swap", still), (f"{swaps} swaps", swapped)):
        p50, p99, most = 1e3 * np.quantile(answers.seconds, [0.5, 0.99, 1.0])
        ratio = p99 / (1e3 * np.quantile(still.seconds, 0.99))
        figures = (f"{x:.0f}" for x in (p50, p99, most))
        rows.append((name, len(answers.seconds), *figures, answers.failed, f"{ratio:.2f}"))
    columns = ("ms an answer", "answers", "p50", "p99", "max", "failed", "ratio of p99")
    return f"\n\n{table(columns, rows)}"


def _told(taken: "Samples", background: Answers, wall: float, busy: float, options: Any) -> str:
    plain = np.array(taken.seconds["answer"])
    rows = []
    for kind, name in {"answer": "(an answer, nothing written)", **KINDS}.items():
        seconds = np.array(taken.seconds[kind])
        p50, p90, p99 = np.quantile(seconds, [0.5, 0.9, 0.99])
        ratio = p50 / np.median(plain)
        figures = (f"{x:.3f}" for x in (p50, p90, p99, seconds.max()))
        held = "" if kind == "answer" else "yes" if p99 <= BOUND else "NO"
        rows.append((name, len(seconds), *figures, f"{ratio:.0f}", held))
    columns = ("seconds until", "samples", "p50", "p90", "p99", "max", "ratio", "p99 ≤ 2 s")
    p50, p99 = 1e3 * np.quantile(background.seconds, [0.5, 0.99])
    return (
        f"{table(columns, rows)}\n\n"
        f"In the background {len(background.seconds) / wall:,.0f} page views a second, answered in"
        f" {p50:.0f} ms (p99 {p99:.0f} ms), {background.failed} failed;"
        f" {options.lanes} rounds at a time; the workers took {busy:.2f} of"
        f" two cores, which they share with all who ask."
    )


@dataclass(eq=False)
class Samples:
    """Seconds by what was waited for."""

    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {kind: [] for kind in ("answer", *KINDS)}
    )
    failures: list[str] = field(default_factory=list)


def _lane(
    service: Service,
    pages: Pages,
    token: str,
    rounds: Iterator[int],
    samples: int,
    taken: Samples,
) -> None:
    try:
        clients = _clients(service)
        for number in rounds:
            if number >= samples or taken.failures:
                return
            _round(Round(clients, service, token, number, pages), taken)
    except Exception as error:  # told by the thread that joins
        taken.failures.append(f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Round:
    """One article's life: published, read, blocked, unblocked and taken down."""

    clients: "list[Client]"
    """One for each worker."""
    service: Service
    token: str
    number: int
    pages: Pages


def _round(made: Round, taken: Samples) -> None:
    draw = random.Random(made.number)
    page = draw.choice(made.pages.newest)
    other = draw.choice([site for site in made.pages.sites if site != page.site])
    twin = f"fresh-{made.number}"
    box = f"/v1/recommendations?{urlencode({'site': page.site, 'key': page.key, 'n': CARDS})}"
    write = functools.partial(_write, made)
    begin = lambda: time.sleep(draw.random())  # noqa: E731

    begin()
    taken.seconds["answer"].append(_seen(made.clients, box, lambda cards: True, lambda: None))
    words = page.body.split()
    draw.shuffle(words)
    article = {
        "site": other,
        "key": twin,
        "url": f"https://{other}.example/{twin}",
        "title": page.title,
        "section": page.section,
        "language": page.language,
        "published": int(time.time()),
        "body": " ".join(words),
    }

    def shown(cards: list[str]) -> bool:
        return f"{other}/{twin}" in cards

    def gone(cards: list[str]) -> bool:
        return not shown(cards)

    def sample(kind: str, until: Callable[[list[str]], bool], do: Callable[[], Any]) -> None:
        taken.seconds[kind].append(_seen(made.clients, box, until, do))

    sample("article", shown, lambda: write("PUT", "/v1/articles", {"articles": [article]}))
    begin()
    _click(made, draw, page, taken)
    begin()
    rule = {"action": "block", "aim": "article", "value": f"{other}/{twin}", "reason": "timed"}
    ids: list[str] = []
    sample("block", gone, lambda: ids.append(write("POST", "/v1/rules", rule)["id"]))
    begin()
    sample("undo", shown, lambda: write("DELETE", f"/v1/rules/{ids[0]}?reason=over"))
    begin()
    sample("takedown", gone, lambda: write("DELETE", f"/v1/articles/{other}/{twin}"))


def _click(made: Round, draw: random.Random, page: Article, taken: Samples) -> None:
    reader = f"reader-{made.number}-{draw.random()}"
    asked = {"site": page.site, "key": page.key, "n": 10, "visitor": reader, "consent": "true"}
    box = f"/v1/recommendations?{urlencode(asked)}"
    first = made.clients[0].cards(box)[0]
    site, _, name = first.partition("/")
    click = {"kind": "click", "site": site, "key": name, "id": reader, "session": reader}
    click |= {"visitor": reader, "consent": True}
    write = functools.partial(_write, made, "POST", "/v1/events", {"events": [click]})
    taken.seconds["click"].append(_seen(made.clients, box, lambda cards: first not in cards, write))


def _seen(
    clients: "list[Client]", box: str, until: Callable[[list[str]], bool], do: Callable[[], Any]
) -> float:
    """Return the seconds from before ``do`` until an answer of each worker has shown it."""
    began = time.perf_counter()
    found: list[float] = []

    def ask(client: Client) -> None:
        while time.perf_counter() - began < PATIENCE:
            if until(client.cards(box)):
                found.append(time.perf_counter() - began)
                return

    do()
    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) < len(clients):
        raise RuntimeError(f"{box} did not change within {PATIENCE:.0f} s")
    return max(found)


class Client:
    """One connection, which stays: so it is always the same worker that answers."""

    def __init__(self, service: Service) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        self._service = service
        self.cards("/v1/recommendations?n=1")
        self.worker = self._find()

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Return what is answered; raises ``RuntimeError`` for a failure."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text or b"null")

    def cards(self, box: str) -> list[str]:
        """Return the ids of a box's articles."""
        return [f"{item['site']}/{item['key']}" for item in self.ask("GET", box)["items"]]

    def _find(self) -> int:
        """Return the process at the other end."""
        own = self._connection.sock.getsockname()[1]
        ends = f":{self._service.port:04X}", f":{own:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if (fields[1][8:], fields[2][8:]) == ends:
                wanted = f"socket:[{fields[9]}]"
                for pid in self._service.workers():
                    for handle in Path(f"/proc/{pid}/fd").iterdir():
                        try:
                            if str(handle.readlink()) == wanted:
                                return pid
                        except FileNotFoundError:  # closed meanwhile
                            continue
        raise RuntimeError("no worker holds the other end of the connection")


def _clients(service: Service) -> list[Client]:
    """Return a client of each worker."""
    found: dict[int, Client] = {}
    for _ in range(200):
        client = Client(service)
        found.setdefault(client.worker, client)
        if len(found) == len(service.workers()):
            return list(found.values())
    raise RuntimeError("a worker takes no connections")


def _write(made: Round, method: str, path: str, body: Any = None) -> Any:
    return made.clients[made.number % len(made.clients)].ask(method, path, body, made.token)


def _wait_until_ready(service: Service) -> None:
    for client in _clients(service):
        while not client.ask("GET", "/readyz")["bundle"]:
            time.sleep(0.1)


if __name__ == "__main__":
    main()

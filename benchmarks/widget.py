"""Measures what the box costs a page: bytes, requests, main thread, layout shift, first card.

An article page of a site of its own is opened in Chromium without the box, with it (the tag, and
the element in room that the page keeps for it), and with the box drawn on the server and no script.
A sample network is generated, learned and served for it by ``recsys serve``, pictures and all. Each
load has a browser context of its own, so that nothing is cached; variants take turns, and a round's
page without the box is what its other pages are compared with. The reader of a phone (412 x 823)
waits a little, goes down to the box and stays there, so that impressions are told as well. Costs
are processor time of the main thread; a long task is 50 ms of anybody's clock or more.

Times to the first card are of pages where the box stands in sight and asks at once. Networks are
emulated by the browser on each request, as DevTools and Lighthouse do: "4G" is 150 ms round trips
and 1.6 Mbit/s, "slow 3G" 400 ms and 0.4 Mbit/s. A processor of a quarter stands for a phone's.

Beside them stand other widgets' published figures, from published_widgets.tsv, each with its source
and date: of another machine and other pages, so orders of magnitude and no more.
"""

import gzip
import http.server
import itertools
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
from measure import parser, spread, table, tell, turned
from playwright.sync_api import Browser, sync_playwright
from running import fill, generate, recsys, serving

STATIC = Path(__file__).parents[1] / "service" / "static"
PUBLISHED = Path(__file__).with_name("published_widgets.tsv")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PHONE = {"width": 412, "height": 823}
NETWORKS = {"none": None, "4G": (150, 1_600_000), "slow 3G": (400, 400_000)}
"""Milliseconds of a round trip and bits a second; None as fast as this machine."""
NAMES = {
    "without": "page without the box",
    "tag": "the tag",
    "element": "the element, in room kept for it",
    "fragment": "drawn on the server, no script",
}
COSTS = {"ScriptDuration": "script", "layout": "style and layout", "TaskDuration": "main thread"}
WATCH = """
window.shift = 0; window.long = [];
const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take))
  .observe({type, buffered: true});
watch("layout-shift", (one) => window.shift += one.value);
watch("longtask", (one) => window.long.push(one.duration));
"""
LOOK = """
const look = () => {
  const root = document.querySelector("recsys-box")?.shadowRoot || document;
  if (!root.querySelector("li a[href]")) return requestAnimationFrame(look);
  requestAnimationFrame(() => setTimeout(() => window.first = performance.now()));
};
look();
"""
"""Notes when the frame is drawn in which the first card stands."""
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body {{ font: 1.1rem/1.6 serif; margin: 0 auto; max-width: 40rem; padding: 1rem }}
recsys-box:not(:defined) {{ display: block; min-height: 45rem; margin-block: 3.5rem }}</style>
</head><body><header><h1>{title}</h1></header><main>{body}</main><aside>{box}</aside>
<footer><p>Imprint, contact, terms.</p></footer></body></html>"""


@dataclass(frozen=True)
class Site:
    """A publisher's site with one article, beside the service that fills its box."""

    url: str
    service: str
    query: str
    page: dict[str, str]

    def box(self, variant: str, *, sight: bool) -> str:
        """Return what the page holds where the box shall be; ``sight`` asks at once."""
        given = {name: self.page[name] for name in ("site", "key")}
        given |= {"lazy": "no"} if sight else {}
        words = " ".join(f'{name}="{value}"' for name, value in given.items())
        data = " ".join(f'data-{name}="{value}"' for name, value in given.items())
        script = f'<script async src="{self.service}/widget.js"'
        match variant:
            case "tag":
                return f"{script} {data}></script>"
            case "element":
                return f"<recsys-box {words}></recsys-box>{script}></script>"
            case "fragment":
                return httpx.get(f"{self.service}/v1/widget.html?{self.query}&bare=1").text
        return ""

    def html(self, variant: str, *, sight: bool) -> str:
        """Return the article's page; of its text only so much that the box is in ``sight``."""
        body = self.page["body"][:200] if sight else self.page["body"]
        text = "".join(f"<p>{part}</p>" for part in body.split("\n\n"))
        return PAGE.format(title=self.page["title"], body=text, box=self.box(variant, sight=sight))


def main(repeats: int, size: str, record: bool) -> None:
    """Measure, print, and keep the table where ``record`` says so."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), size) as site:
        with sync_playwright() as play:
            chromium = shutil.which("chromium")
            browser = play.chromium.launch(executable_path=chromium, args=FLAGS.split())
            costs, shifts = watched(browser, site, repeats)
            firsts = timed(browser, site, repeats)
            asked = requests(browser, site)
            version = browser.version
            browser.close()
        sizes = weighed(site)
    about = f"Chromium {version}, six cards with pictures, {repeats} loads of each after one"
    text = "\n\n".join(
        [
            f"{about} of warm-up, by turns; medians, least and largest.",
            table(["what is sent", "raw bytes", "gzip", "brotli"], sizes),
            f"Requests beyond the page's own: {asked}.",
            table(["beyond the page without the box, ms", "processor", *COSTS.values()], costs),
            table(["layout shift; long tasks", "processor", "below", "in sight", "tasks"], shifts),
            table(
                ["ms to the first card", "processor", "from navigation", "from the script"], firsts
            ),
            "Published figures of other widgets:",
            table(["widget", "what", "figure", "as of", "source"], published()),
        ]
    )
    tell("widget", "What the box costs a page", text, record)


def weighed(site: Site) -> list[list[object]]:
    """Return the bytes of everything that a box needs, as it is and packed."""
    ask = f"{site.service}/v1/recommendations?{site.query}&n=6"
    script = (STATIC / "widget.js").read_bytes()
    answer, drawn = httpx.get(ask).content, site.box("fragment", sight=False).encode()
    style = (STATIC / "fragment.css").read_bytes()
    parts = {
        "the tag": [site.box("tag", sight=False).encode()],
        "widget.js, its styles within": [script],
        "an answer, six cards": [answer],
        "all three": [site.box("tag", sight=False).encode(), script, answer],
        "without script: the fragment and its styles": [drawn, style],
    }
    return [
        [
            name,
            f"{sum(map(len, files)):,}",
            f"{sum(len(gzip.compress(file, 9)) for file in files):,}",
            f"{sum(map(brotli, files)):,}" if shutil.which("node") else "",
        ]
        for name, files in parts.items()
    ]


def brotli(content: bytes) -> int:
    """Return how many bytes Brotli makes of it, by Node.js, which most machines have sooner."""
    script = (
        "const c = [];process.stdin.on('data', d => c.push(d)).on('end', () =>"
        " console.log(require('zlib').brotliCompressSync(Buffer.concat(c)).length))"
    )
    node = subprocess.run(["node", "-e", script], input=content, capture_output=True, check=True)
    return int(node.stdout)


def watched(
    browser: Browser, site: Site, repeats: int
) -> tuple[list[list[object]], list[list[object]]]:
    """Return rows of what the main thread does for the box, and rows of shifts and long tasks."""
    costs: list[list[object]] = []
    shifts: list[list[object]] = []
    for slower in (1, 4):
        taken: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for turn, variant in turns(repeats):
            for sight in (False, True):
                seen = load(browser, site, variant, slower=slower, sight=sight)
                for name, value in seen.items() if turn else ():
                    taken[variant][f"{name} {sight}"].append(value)
        bare = taken["without"]
        for variant in list(NAMES)[1:]:
            extra = [
                spread(np.subtract(taken[variant][f"{name} False"], bare[f"{name} False"]), 1)
                for name in COSTS
            ]
            costs.append([NAMES[variant], speed(slower), *extra])
        for variant, name in NAMES.items():
            own = taken[variant]
            tasks = own["tasks False"] + own["tasks True"]
            shown = [f"{np.median(own[f'shift {sight}']):.3f}" for sight in (False, True)]
            told = f"{np.median(tasks):.0f} ({max(tasks):.0f}), longest "
            longest = max(own["longest False"] + own["longest True"])
            shifts.append([name, speed(slower), *shown, f"{told}{longest:.0f} ms"])
    return costs, shifts


def timed(browser: Browser, site: Site, repeats: int) -> list[list[object]]:
    """Return rows of the milliseconds until the first card is drawn."""
    rows: list[list[object]] = []
    for (network, slower), chosen in itertools.product(
        (("none", 1), ("none", 4), ("4G", 4), ("slow 3G", 4)), (("tag", "element", "fragment"),)
    ):
        taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for turn, variant in turns(repeats, chosen):
            seen = load(browser, site, variant, slower=slower, sight=True, network=network)
            if turn:
                taken[variant].append((seen["first"], seen["first"] - seen["script"]))
        for variant, values in taken.items():
            all_, own = zip(*values, strict=True)
            after = spread(own, 0) if variant != "fragment" else ""
            where = f"{speed(slower)}, {'no limit' if network == 'none' else network}"
            rows.append([NAMES[variant], where, spread(all_, 0), after])
    return rows


def turns(repeats: int, variants: Sequence[str] = tuple(NAMES)) -> Iterator[tuple[int, str]]:
    """Return each round's number and variants, in an order that turns; round 0 warms up."""
    for turn in range(repeats + 1):
        yield from ((turn, variant) for variant in turned(variants, turn))


def load(
    browser: Browser,
    site: Site,
    variant: str,
    *,
    slower: int,
    sight: bool,
    network: str = "",
) -> dict[str, float]:
    """Open a page once and return what was seen, in ms; with a ``network`` the first card is.

    To look for the card costs time of the main thread, so nothing else is measured then.
    """
    agent = f"Mozilla/5.0 (X11; Linux x86_64) Chrome/{browser.version} Safari/537.36"
    context = browser.new_context(user_agent=agent, viewport=PHONE, device_scale_factor=2)
    page = context.new_page()
    page.add_init_script(LOOK if network else WATCH)
    devtools = context.new_cdp_session(page)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    if limits := NETWORKS[network or "none"]:
        wait, bits = limits
        given = {"latency": wait, "downloadThroughput": bits / 8, "uploadThroughput": bits / 8}
        devtools.send("Network.enable")
        devtools.send("Network.emulateNetworkConditions", {"offline": False, **given})
    page.goto(f"{site.url}/{variant}{'?sight' if sight else ''}", wait_until="commit")
    if network:
        page.wait_for_function("window.first", timeout=60_000)
        arrived = "performance.getEntriesByName(document.scripts[0]?.src)[0]?.responseEnd || 0"
        seen = {"first": page.evaluate("window.first"), "script": page.evaluate(arrived)}
    else:
        time.sleep(0.6 if slower == 1 else 1.2)
        page.evaluate("document.querySelector('aside').scrollIntoView()")
        time.sleep(1.6 if slower == 1 else 2.8)  # a card counts as seen after one second
        told = devtools.send("Performance.getMetrics")["metrics"]
        cost = {one["name"]: 1000 * one["value"] for one in told}
        seen = {name: cost[name] for name in COSTS if name != "layout"}
        seen["layout"] = cost["LayoutDuration"] + cost["RecalcStyleDuration"]
        long = page.evaluate("window.long")
        seen |= {"shift": page.evaluate("window.shift"), "tasks": len(long)}
        seen["longest"] = max(long, default=0.0)
    context.close()
    return seen


def requests(browser: Browser, site: Site) -> str:
    """Return how many requests the box needs: its own, and one for each picture in sight."""
    found = []
    for variant in ("tag", "fragment"):
        page = browser.new_page(viewport=PHONE, user_agent="Mozilla/5.0 Chrome/140 Safari/537.36")
        asked: list[Any] = []
        page.on("request", lambda request, asked=asked: asked.append(request))
        page.goto(f"{site.url}/{variant}", wait_until="networkidle")
        page.evaluate("document.querySelector('aside').scrollIntoView()")
        page.wait_for_timeout(2500)
        pictures = sum(one.resource_type == "image" for one in asked)
        others = len(asked) - 1 - pictures
        found.append(f"{NAMES[variant]} {others}, and {pictures} pictures")
        page.close()
    return "; ".join(found)


def speed(slower: int) -> str:
    """Return a processor's speed in words."""
    return "whole" if slower == 1 else f"1/{slower}"


def published() -> list[list[str]]:
    """Return the rows of published_widgets.tsv."""
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


@contextmanager
def served(folder: Path, size: str) -> Iterator[Site]:
    """Learn a sample network, serve it, and publish an article of it on a site of its own."""
    made: list[Site] = []

    class Pages(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path[1:].partition("?")
            page = made[0].html(path, sight=query == "sight").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    row = learned(folder, size, url)
    try:
        with serving(folder, "--demo", "--workers", "2") as service:
            while httpx.get(f"{service.url}/readyz", timeout=60).status_code != 200:
                time.sleep(0.1)
            made.append(Site(url, service.url, "site={site}&key={key}".format(**row), row))
            yield made[0]
    finally:
        server.shutdown()
        server.server_close()


def learned(folder: Path, size: str, origin: str) -> dict[str, str]:
    """Fill a directory with a network, one of whose sites is at ``origin``; return an article."""
    network = folder / "network"
    generate(network, "--size", size)
    config = (network / "recsys.toml").read_text()
    own = re.sub(r"^(url = .*)$", rf'\1\norigins = ["{origin}"]', config, count=1, flags=re.M)
    (network / "recsys.toml").write_text(own)
    fill(folder, network)
    recsys(folder, "train")
    rows = pq.read_table(network / "articles.parquet").to_pylist()
    site = re.search(r"^\[sites\.(\w+)\]", config, re.M)
    assert site
    return max((row for row in rows if row["site"] == site[1]), key=lambda row: row["published"])


if __name__ == "__main__":
    known = parser(__doc__)
    known.add_argument("--repeats", type=int, default=5, help="loads of each that count (5)")
    known.add_argument("--size", default="tiny", help="of the sample network (tiny)")
    given = known.parse_args()
    main(given.repeats, given.size, given.record)

"""Looks at a running service from outside, as pages, load balancers and strangers do."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from cli.checks.finding import Finding, fault, ok, warn
from cli.setup import Setup
from data import keyring as keyrings
from recsys import shelf
from recsys.errors import RecsysError

PATIENCE = 10.0
"""Seconds to wait for an answer."""
DRIFT = 5.0
"""Seconds by which the service's clock may differ; answers tell whole seconds."""


def service(setup: Setup, url: str, now: int) -> Iterator[Finding]:
    """Ask everything of the service at an address; where it does not answer, only that."""
    with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:
        try:
            answer = client.get("/readyz")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            step = "does it run there? Its log says why not: recsys serve, journalctl, docker logs"
            yield fault("service", f"{url} does not answer: {error}", step)
            return
        try:
            yield from _ready(setup, url, answer)
            yield from _clock(url, answer, now)
            yield from _transport(setup, url, answer)
            yield from _answers(setup, url, client, now)
            yield from _widget(url, client)
            yield from _metrics(url, client)
        except (httpx.HTTPError, ValueError) as error:
            yield fault("service", f"{url} broke off: {error}", "look into its log")


def _ready(setup: Setup, url: str, answer: httpx.Response) -> Iterator[Finding]:
    if "json" not in answer.headers.get("content-type", "") or answer.status_code not in (200, 503):
        said = f"{url}/readyz answers {answer.status_code}, not as this service does"
        yield fault("service", said, "is it another program's address, or a proxy without it?")
        return
    told = answer.json()
    if answer.status_code == 503:
        step = "wait a minute; then look into its log"
        yield fault("service", f"{url} is not ready: {told.get('detail', 'it starts')}", step)
        return
    amiss = False
    if not told["store_reachable"]:
        amiss = True
        yield fault(
            "service", f"{url} cannot reach the store: {told['error']}", "see `store` there"
        )
    if told["refused"]:
        amiss = True
        said = f"{url} refuses bundle {told['refused']}: {told['refused_because']}"
        yield fault("service", said, "recsys bundles verify; recsys bundles rollback")
    if not told["bundle"]:
        amiss = True
        yield warn("service", f"{url} has no bundle, and gives the newest articles", "recsys train")
    mine = (shelf.history(setup.bundles) or [""])[0]
    if told["bundle"] and mine and told["bundle"] != mine and not told["refused"]:
        amiss = True
        said = f"{url} serves {told['bundle']}, here {mine} is current"
        yield warn(
            "service", said, "wait some seconds; do both have the same [bundles] url or VAR?"
        )
    if told.get("queued"):
        amiss = True
        step = "they are delivered once its store is back"
        yield warn("service", f"at {url} {told['queued']:,} events wait", step)
    if not amiss:
        yield ok("service", f"{url} is ready with {told['bundle']}, {told['bundle_age']:,} s old")


def _clock(url: str, answer: httpx.Response, now: int) -> Iterator[Finding]:
    told = answer.headers.get("date")
    drift = parsedate_to_datetime(told).timestamp() - now if told else 0.0
    if abs(drift) > DRIFT + PATIENCE:
        step = "let NTP set the clocks of both machines (timedatectl set-ntp true)"
        yield fault("clock", f"the clock at {url} differs by {drift:+,.0f} s", step)


def _transport(setup: Setup, url: str, answer: httpx.Response) -> Iterator[Finding]:
    address, headers = urlsplit(url), answer.headers
    behind = "gunicorn" not in headers.get("server", "gunicorn").lower()
    if (
        headers.get("x-content-type-options") != "nosniff"
        or "content-security-policy" not in headers
    ):
        step = "let the proxy hand on Content-Security-Policy and X-Content-Type-Options"
        yield fault("headers", f"{url} answers without our security headers", step)
    if behind and setup.limits.trusted_proxies == 0:
        yield warn(
            "proxies",
            f"a proxy ({headers['server']}) answers at {url}, and none is trusted: all readers"
            " have one address, and share its limits",
            "[limits] trusted_proxies = 1, or as many as stand in a row",
        )
    elif address.scheme == "https" and "strict-transport-security" not in headers:
        step = "let the proxy set X-Forwarded-Proto, and [limits] trusted_proxies"
        yield warn("proxies", f"{url} does not know that it is reached over https", step)
    elif address.scheme == "http" and not _is_near(url):
        step = "let the proxy in front speak https; see deploy/nginx"
        yield warn("transport", f"{url} is not encrypted", step)
    else:
        yield ok("transport", f"{url} is reached as it should be")


def _answers(setup: Setup, url: str, client: httpx.Client, now: int) -> Iterator[Finding]:
    site = next(iter(setup.sites), "")
    begin = time.perf_counter()
    answer = client.get("/v1/recommendations", params={"site": site} if site else {})
    seconds = time.perf_counter() - begin
    if answer.status_code != 200:
        said = f"{url}/v1/recommendations?site={site} answers {answer.status_code}"
        yield fault("answers", said, "look into its log; has it the same configuration?")
        return
    told = answer.json()
    notes = "; ".join(told.get("notes", ()))
    if not told["items"]:
        step = "recsys recommend tells more; are there articles, and does [policy] let any through?"
        yield warn("answers", f"the box at {url} is empty{f': {notes}' if notes else ''}", step)
    else:
        said = f"a box of {len(told['items'])} in {seconds * 1000:,.0f} ms"
        yield ok("answers", f"{said}{f' ({notes})' if notes else ''}")
    if setup.keyring.exists():
        yield from _signature(setup, url, told["slate"], now)


def _signature(setup: Setup, url: str, token: str, now: int) -> Iterator[Finding]:
    from service import slates

    try:
        slates.read(token, keyrings.load(setup.keyring, now), now)
    except slates.Forged as error:
        yield fault(
            "signature",
            f"what {url} signs {error}, says the keyring here: they are different ones, and clicks"
            " on boxes of one count nothing at the other",
            f"copy one keyring to all replicas: {setup.keyring}, or $RECSYS_KEYRING",
        )
    except RecsysError:
        return  # told of the keyring itself
    else:
        yield ok("signature", f"{url} signs with the keyring that is here")


def _widget(url: str, client: httpx.Client) -> Iterator[Finding]:
    answer = client.get("/widget.js")
    kind = answer.headers.get("content-type", "")
    if answer.status_code != 200 or "javascript" not in kind:
        said = f"{url}/widget.js answers {answer.status_code} {kind}"
        yield fault("widget", said, "let the proxy hand it on")
    else:
        yield ok("widget", f"{len(answer.content):,} bytes of script")


def _metrics(url: str, client: httpx.Client) -> Iterator[Finding]:
    near = _is_near(url)
    answer = client.get("/metrics")
    if answer.status_code != 200 or b"recsys_requests_total" not in answer.content:
        if near and answer.headers.get("server", "").startswith("gunicorn"):
            yield fault(
                "metrics", f"{url}/metrics answers {answer.status_code}", "look into its log"
            )
        else:
            yield ok("metrics", "not to be seen from outside")
    elif near:
        yield ok("metrics", "there for Prometheus")
    else:
        step = "close /metrics at the proxy, as deploy/nginx does"
        yield warn("metrics", f"{url}/metrics is open to whoever can reach it", step)


def _is_near(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")

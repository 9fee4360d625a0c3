"""``recsys serve``: the HTTP service under gunicorn."""

import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.setup import Setup, load

if TYPE_CHECKING:
    from service.settings import Settings


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port; 0 takes any free one.")
    ] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; one for each core is a good start.")
    ] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 4,
    drain: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Seconds to answer on after SIGTERM while /readyz says 503, for a load balancer"
            " that has to see it.",
        ),
    ] = 0.0,
    demo: Annotated[
        bool, typer.Option("--demo", help="Also serve the network's articles as pages.")
    ] = False,
) -> None:
    """Answer article pages over HTTP until stopped with Ctrl-C.

    A new bundle or article is taken up within a second or two. Without a bundle
    the newest articles of the store are given.

    \b
      /v1/recommendations?site=S&key=K   links for the page of an article
      /v1/trending                       what readers open now
      /v1/feeds/SITE.rss                 the mix as a feed; also .atom and .json
      /v1/events  /v1/articles           what readers do and editors publish
      /widget.js                         the box, for publishers' pages
      /desk/                             for editors: rules, clicks, bundles
      /openapi/swagger                   the API, to browse and try
      /healthz  /readyz  /metrics        for operators
      /demo/                             with --demo: the network as pages

    A page shows the box with one tag:

    \b
      <script async src="https://THIS/widget.js"
              data-site="S" data-key="K"></script>

    SIGHUP reads the configuration again: new workers take over from the old ones,
    and where something is wrong with it nothing changes. SIGTERM finishes what is
    being answered. Host, port, workers and threads stay as they are until it is
    started anew.

    Logs go to standard error, one JSON object a line; $RECSYS_LOG is the least
    level of them (debug, info, warning, error). /metrics answers those who reach
    this port without a proxy, or, where $RECSYS_METRICS_TOKEN is set, those who
    send it. With $OTEL_EXPORTER_OTLP_ENDPOINT and the extra otel, requests are
    sent there as spans.
    """
    # Here and not above: other commands start faster without the service.
    from service import server

    setup: Setup = context.obj
    setup.load_keyring()  # what is wrong with it is said here, once, and not by every worker
    listen = server.Listen(host, port, workers, threads, drain)
    server.serve(
        settings(setup, demo),
        listen,
        ready=lambda address: _announce(address, demo),
        reread=lambda: settings(load(setup.config, setup.var), demo),
    )


def settings(setup: Setup, demo: bool = False) -> "Settings":
    """Return what the service needs to know of an installation."""
    from service.settings import Settings

    return Settings(
        bundles=setup.bundles.absolute(),
        store_url=setup.store_url,
        keyring=setup.keyring.absolute(),
        sites=setup.sites,
        policy=setup.policy,
        limits=setup.limits,
        experiment=setup.experiment,
        spool=setup.spool.absolute(),
        spooling=setup.spooling,
        depot=setup.depot,
        watch=setup.watch,
        alerts=setup.alerts,
        demo=demo,
        metrics_token=os.environ.get("RECSYS_METRICS_TOKEN", ""),
    )


def _announce(address: str, demo: bool) -> None:
    Console(highlight=False, soft_wrap=True).print(
        f"Listening on {address}{'/demo/' if demo else '/openapi/swagger'} (Ctrl-C stops)"
    )

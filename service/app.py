"""Puts the parts of the service together."""

from importlib.metadata import version
from pathlib import Path

from flask import Flask, Response, request
from flask_openapi3 import Info, OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from service import (
    access,
    articles,
    audit,
    demo,
    events,
    feeds,
    fragment,
    headers,
    health,
    metrics,
    observe,
    problems,
    recommendations,
    rules,
    trending,
    visitors,
    widget,
)
from service.desk import app as desk
from service.holder import Holder
from service.limits import Gate
from service.settings import Settings

DESCRIPTION = "Recommendations across the sites of a publisher network."
DOCS = (Path(__file__).parent / "templates" / "openapi.html").read_text("utf-8")


def create_app(settings: Settings, holder: Holder | None = None) -> Flask:
    """Return the WSGI application.

    It starts no thread: whoever runs it calls ``holder.start()`` after forking (``server`` does)
    or ``holder.refresh()`` by hand.
    """
    holder = holder or Holder(settings)
    app = OpenAPI(
        "service",
        info=Info(title="recsys", version=version("recsys"), description=DESCRIPTION),
        security_schemes=access.SCHEME,
        validation_error_status=422,
        validation_error_model=problems.Problem,
        validation_error_callback=problems.invalid,
    )
    app.config.update(SWAGGER_HTML_STRING=DOCS, MAX_CONTENT_LENGTH=20_000_000)
    app.json.sort_keys = False
    if settings.limits.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.limits.trusted_proxies)  # type: ignore[method-assign]
    observe.register(app)
    headers.register(app)
    problems.register(app)
    app.register_api(recommendations.blueprint(holder, settings))
    app.register_api(trending.blueprint(holder, settings))
    app.register_api(feeds.blueprint(holder, settings))
    app.register_api(events.blueprint(holder, settings, Gate(settings.limits, local=settings.demo)))
    app.register_api(articles.blueprint(holder, settings))
    app.register_api(visitors.blueprint(holder))
    app.register_api(rules.blueprint(holder, settings))
    app.register_api(audit.blueprint(holder))
    app.register_api(health.blueprint(holder))
    app.register_blueprint(
        metrics.blueprint(lambda: holder.state.bundle, settings.policy.id, settings.metrics_token)
    )
    app.register_api(fragment.blueprint(holder, settings))
    app.register_blueprint(widget.blueprint())
    app.register_blueprint(desk.blueprint(holder, settings))
    if settings.demo:
        app.register_blueprint(demo.blueprint(holder, settings))
    app.after_request(_docs_policy)
    return app


def _docs_policy(response: Response) -> Response:
    if request.path.startswith("/openapi/"):
        response.headers["Content-Security-Policy"] = headers.DOCS
    return response

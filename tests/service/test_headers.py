"""What browsers are told that an answer may do."""

import dataclasses

import pytest
from flask import Flask, Response

from service import headers
from service.app import create_app
from service.settings import Limits

HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
EVERY = {
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": headers.NEITHER,
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@pytest.fixture
def client(settings, store):
    return create_app(dataclasses.replace(settings, demo=True)).test_client()


@pytest.mark.parametrize(
    ("path", "policy", "opener"),
    [
        ("/healthz", headers.DATA, None),
        ("/v1/recommendations?site=daily", headers.DATA, None),
        ("/v1/widget.html?site=daily", headers.FRAMED, "same-origin"),
        ("/widget.js", headers.DATA, None),
        ("/openapi/swagger", headers.DOCS, "same-origin"),
        ("/demo/", headers.PAGE, "same-origin"),
        ("/nowhere", headers.DATA, None),
    ],
)
def test_every_answer_says_what_it_may_do(client, path, policy, opener):
    with client.get(path) as answer:
        told = answer.headers
    assert told["Content-Security-Policy"] == policy
    assert told.get("Cross-Origin-Opener-Policy") == opener
    assert {name: told[name] for name in EVERY} == EVERY
    assert "Strict-Transport-Security" not in told


@pytest.mark.parametrize(("proxies", "strict"), [(0, None), (1, "max-age=31536000")])
def test_only_a_trusted_proxy_says_that_a_request_came_over_https(settings, store, proxies, strict):
    limits = Limits(trusted_proxies=proxies)
    client = create_app(dataclasses.replace(settings, limits=limits)).test_client()
    assert client.get("/healthz", headers=HTTPS).headers.get("Strict-Transport-Security") == strict
    assert "Strict-Transport-Security" not in client.get("/healthz").headers
    over_tls = client.get("/healthz", base_url="https://recs.example")
    assert "Strict-Transport-Security" in over_tls.headers


def test_no_proxy_says_which_host_was_asked(settings, store, articles):
    store.put_articles(
        [dataclasses.replace(a, url=f"/{a.key}", image=f"/{a.key}.jpg") for a in articles]
    )
    app = create_app(dataclasses.replace(settings, limits=Limits(trusted_proxies=1)))
    asked = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", **HTTPS}
    page = app.test_client().get(
        "/v1/widget.html?site=daily", headers=asked, base_url="http://recs.example"
    )
    assert "https://recs.example/static/fragment.css" in page.text
    assert "evil" not in page.text


def test_pages_of_the_desk_run_own_scripts_only_and_are_never_kept():
    app = Flask("desk")
    headers.register(app)

    @app.get("/")
    def page() -> Response:
        policy = {"Content-Security-Policy": headers.DESK, "Cache-Control": "public"}
        return Response("<p>desk", headers=policy, mimetype="text/html")

    answer = app.test_client().get("/")
    parts = dict(part.split(" ", 1) for part in headers.DESK.split("; "))
    assert parts == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' https:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert answer.headers["Content-Security-Policy"] == headers.DESK
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "same-origin"

import html
import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from data import access
from data.scope import Scope
from data.store import Store
from recsys import shelf
from service.app import create_app
from service.holder import Holder
from training.recipe import Recipe
from training.run import run as learn

OWN = {"Origin": "http://localhost"}


class Desk:
    """A browser at the desk, without the browser."""

    def __init__(self, app: Flask, token: str = "") -> None:
        self.client: FlaskClient = app.test_client()
        self.token = token
        if token:
            assert self.login(token).status_code == 303

    def login(self, token: str, next: str = "", **headers: str):
        sent = {"key": token, "next": next}
        return self.client.post("/desk/login", data=sent, headers={**OWN, **headers})

    def get(self, path: str, **options):
        return self.client.get(path, **options)

    def read(self, path: str, **options) -> str:
        """Return what a person reads of a page."""
        return words(self.client.get(path, **options))

    def csrf(self) -> str:
        page = self.client.get("/desk/").text
        return page.split('name="csrf" value="')[1].split('"')[0]

    def post(self, path: str, follow: bool = False, **form: str):
        sent = {"csrf": self.csrf(), **form}
        return self.client.post(path, data=sent, headers=OWN, follow_redirects=follow)


def words(answer) -> str:
    assert answer.status_code == 200, answer.text
    main = answer.text[answer.text.index("<main") :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", main)))


@pytest.fixture
def holder(settings, store, articles) -> Holder:
    store.put_articles(articles)
    holder = Holder(settings)
    holder.refresh(int(time.time()))
    return holder


@pytest.fixture
def app(settings, holder) -> Flask:
    return create_app(settings, holder)


@pytest.fixture
def key(store: Store) -> Callable[..., str]:
    """Make a key of some scopes and return its token."""

    def made(*scopes: Scope, sites: tuple[str, ...] = (), expires: int | None = None) -> str:
        now = int(time.time())
        return access.create(store, f"{scopes[0]}'s", scopes, sites, now, expires)[1]

    return made


@pytest.fixture
def sit(app: Flask, key) -> Callable[..., Desk]:
    """Sit down at the desk in a role, for all sites or for some."""
    return lambda role, *sites: Desk(app, key(role, sites=sites))


@pytest.fixture
def learned(settings, store, articles, visits):
    """Two bundles, the second of which is current."""
    store.put_articles(articles)
    now = int(time.time())
    recipe = Recipe(dims=8, factors=8)
    learn(store, settings.bundles, recipe, now - 60)
    store.put_events(visits)
    learn(store, settings.bundles, recipe, now)
    return shelf.history(settings.bundles)


@pytest.fixture
def taught(learned, holder) -> Holder:
    """A holder whose bundle knows what is read after what."""
    holder.refresh(int(time.time()))
    return holder

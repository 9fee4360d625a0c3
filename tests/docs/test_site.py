"""The site is whole: no link leads nowhere, and whatever the code offers is told in it."""

import html
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml

from data import schema

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "docs"))

from fromcode import commands, http, settings, store  # noqa: E402

ORIGIN = "http://site.test/"
PHONE, WIDE = {"width": 360, "height": 780}, {"width": 1280, "height": 900}


class Links(HTMLParser):
    """What a page leads to, shows and can be led to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.unnamed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := told.get(name))}
        if tag == "a" and told.get("href"):
            self.targets.append(str(told["href"]))
        if tag in ("img", "script") and told.get("src"):
            self.loaded.append(str(told["src"]))
        if tag == "link" and told.get("rel") in ("stylesheet", "icon"):
            self.loaded.append(str(told["href"]))
        if tag == "img" and not told.get("alt"):
            self.unnamed.append(str(told.get("src")))


@cache
def read(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text("utf-8"))
    return links


def pages(site: Path) -> Iterator[tuple[str, Path]]:
    """Yield the address and the file of each page."""
    for path in sorted(site.rglob("*.html")):
        place = path.relative_to(site).as_posix()
        yield urljoin(ORIGIN, place.removesuffix("index.html")), path


def text(site: Path, page: str) -> str:
    """Return what a page says, without its markup."""
    source = (site / page / "index.html").read_text("utf-8")
    main = source[source.index("<article") : source.index("</article>")]
    return html.unescape(re.sub(r"<[^>]+>", "", main))


def test_every_link_leads_somewhere(site: Path) -> None:
    lost = []
    for address, path in pages(site):
        for target in read(path).targets:
            full = urljoin(address, target)
            if not full.startswith(ORIGIN):
                assert urlsplit(full).scheme in ("http", "https"), f"{address}: {target}"
                continue
            parts = urlsplit(full)
            file = site / unquote(parts.path).lstrip("/")
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file():
                lost.append(f"{address}: {target}")
            elif file.suffix == ".html" and parts.fragment:
                named = unquote(parts.fragment) in read(file).ids | {"__skip"}
                lost += [] if named else [f"{address}: {target}"]
    assert lost == []


def test_every_picture_is_there_and_told_in_words(site: Path) -> None:
    for address, path in pages(site):
        assert read(path).unnamed == [], address
        for source in read(path).loaded:
            full = urljoin(address, source)
            assert full.startswith(ORIGIN), f"{address} loads {source}"
            assert (site / urlsplit(full).path.lstrip("/")).is_file(), f"{address}: {source}"


def test_every_page_is_in_the_menu(site: Path) -> None:
    names = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert set(re.findall(r"[\w/-]+\.md", str(menu))) == names


def test_every_command_is_told_with_its_options(site: Path) -> None:
    told = text(site, "reference/commands")
    for name, command in commands.commands():
        assert f"\n{name}¶" in f"\n{told}", name
        for param in command.params:
            if commands.is_ours(param) and param.param_type_name == "option":
                assert max(param.opts, key=len) in told, f"{name} {param.opts}"


def test_every_setting_is_told(site: Path) -> None:
    told = text(site, "reference/settings")
    names = [name for name, _, _ in settings.settings()]
    assert len(names) > 60
    assert [name for name in names if name not in told] == []


def test_every_route_is_told(site: Path) -> None:
    told = text(site, "reference/http")
    routes = [f"{method} {path}" for method, path, _ in http.operations(http.document())]
    assert len(routes) > 10
    assert [route for route in routes if f"{route}¶" not in told] == []


def test_every_metric_is_told(site: Path) -> None:
    told = text(site, "reference/metrics")
    names = [name for name, *_ in store.metric_names()]
    assert len(names) > 5
    assert [name for name in names if name not in told] == []


def test_every_column_of_the_store_is_told(site: Path) -> None:
    told = text(site, "data-model")
    for table in schema.metadata.sorted_tables:
        section = told.partition(f"\n{table.name}¶")[2].partition("¶")[0]
        assert [c.name for c in table.columns if not re.search(rf"\b{c.name}\b", section)] == []


def test_every_module_of_the_engine_is_told(site: Path) -> None:
    ids = read(site / "reference/python/index.html").ids
    modules = {f"recsys.{path.stem}" for path in (ROOT / "recsys").glob("[a-z]*.py")}
    assert modules <= ids
    assert "recsys.engine.Engine.recommend" in ids


def test_every_alert_has_a_section_of_the_runbook_that_it_names(site: Path) -> None:
    page = site / "operations/runbook/index.html"
    rules = list(store.alerts())
    assert rules
    for rule in rules:
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert path.endswith("/operations/runbook/")
        assert anchor in read(page).ids, rule["alert"]
        assert f"\n{rule['alert']}¶" in text(site, "operations/runbook"), rule["alert"]


def test_nothing_is_asked_of_another_server(served: str, open_page: Callable) -> None:
    page = open_page(f"{served}/howto/pages/")
    page.locator("input.md-search__input").click()
    page.keyboard.type("consent")
    page.locator(".md-search-result__item").first.wait_for()
    assert all(r.url.startswith((served, "data:", "blob:")) for r in page.asked)
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["", "howto/pages/", "reference/commands/"])
def test_nobody_is_barred(
    served: str, open_page: Callable, barriers: Callable, page: str, scheme: str
) -> None:
    opened = open_page(f"{served}/{page}", color_scheme=scheme, viewport=WIDE)
    assert barriers(opened) == ""


@pytest.mark.parametrize("page", ["", "architecture/", "howto/jobs/", "reference/settings/"])
def test_a_phone_shows_it_without_scrolling_sideways(
    served: str, open_page: Callable, page: str
) -> None:
    opened = open_page(f"{served}/{page}", viewport=PHONE)
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_variable_of_the_environment_is_told(site: Path) -> None:
    told = text(site, "reference/settings")
    packages = ("recsys", "data", "training", "service", "cli")
    source = "\n".join(
        path.read_text("utf-8") for name in packages for path in (ROOT / name).rglob("*.py")
    )
    names = set(re.findall(r"\"(RECSYS_[A-Z_]+)\"", source))
    assert names >= {"RECSYS_VAR", "RECSYS_CONFIG"}
    assert [name for name in names if name not in told] == []


def test_help_escapes_the_brackets_that_a_terminal_would_take_for_markup():
    eaten = [
        f"{name}: {found[0]}"
        for name, command in commands.commands()
        for text in (command.help, command.epilog, *(param.help for param in command.params))
        if (found := re.search(r"(?<!\\)\[[a-z][\w. ]*\]", text or ""))
    ]
    assert not eaten

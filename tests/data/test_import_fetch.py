"""Downloads from addresses that somebody else wrote: what they may reach, and by which name."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from data.importers import fetch as fetching
from data.importers.fetch import fetch, reachable, told
from recsys.errors import DataError

OWN = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
]
"""This machine and its network, and what stands for them."""
NOWHERE = [
    "169.254.169.254",
    "168.63.129.16",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fe80::1",
    "fe80::1%1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
]
"""Metadata of clouds, and what no site is served on."""
SET_ASIDE = [
    "0.1.2.3",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "240.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "fec0::1",
    "::7f00:1",
    "4000::1",
]
PUBLIC = ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", OWN + NOWHERE + SET_ASIDE)
def test_what_is_not_on_the_public_internet_is_out_of_reach(address):
    assert not reachable(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_within_reach(address):
    assert reachable(ip_address(address))


def test_the_own_network_is_within_reach_where_that_is_said_and_metadata_never():
    assert all(reachable(ip_address(address), private=True) for address in OWN)
    assert not any(reachable(ip_address(address), private=True) for address in NOWHERE)


class Site(BaseHTTPRequestHandler):
    """Says by which name it was asked, and leads elsewhere."""

    def do_GET(self) -> None:
        leads = {
            "/metadata": "http://169.254.169.254/latest/meta-data/",
            "/password": "//anna:geheim@127.0.0.1/",
            "/odd": "http://[::1/",
            "/relative": "name",
        }
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        to = leads.get(self.path)
        self.send_response(302 if to or self.path == "/lost" else 200)
        self.send_header("set-cookie", "seen=1")
        if to:
            self.send_header("location", to)
        self.end_headers()
        if not to:
            said = self.headers["host"], self.headers["authorization"], self.headers["cookie"]
            self.wfile.write(" ".join(map(str, said)).encode())

    def log_message(self, *words: object) -> None:
        pass


class Sixth(ThreadingHTTPServer):
    """A server on IPv6."""

    address_family = socket.AF_INET6


@pytest.fixture
def serve() -> Iterator[Callable[..., ThreadingHTTPServer]]:
    """Serve a site on loopback, with a certificate where one is given."""
    running = []

    def served(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> ThreadingHTTPServer:
        server = (Sixth if ":" in host else ThreadingHTTPServer)((host, 0), Site)
        server.asked = []  # type: ignore[attr-defined]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return server

    yield served
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def names(monkeypatch) -> dict[str, list[list[str]]]:
    """Name servers of the test: what each look-up of a name answers in turn."""
    known: dict[str, list[list[str]]] = {}
    system = socket.getaddrinfo

    def looked_up(host: str, port: int, *rest: int, **options: int) -> list:
        name = host.decode() if isinstance(host, bytes) else host
        answers = [name] if name[0].isdigit() or ":" in name else known[name].pop(0)
        return [one for a in answers for one in system(a, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return known


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
def test_no_spelling_of_this_machine_gets_through(serve, host):
    site = serve()
    with pytest.raises(DataError, match=r"not on the public internet; .* --allow-private"):
        fetch(f"http://{host}:{site.server_port}/", 100)
    assert site.asked == []


def test_a_name_is_looked_up_once_so_that_it_cannot_lead_elsewhere_after_the_check(serve, names):
    site = serve()
    names["feed.test"] = [["127.0.0.1"], ["169.254.169.254"]]
    body = fetch(f"http://feed.test:{site.server_port}/", 100, private=True)
    assert body.decode() == f"feed.test:{site.server_port} None None"
    assert names["feed.test"] == [["169.254.169.254"]], "nobody asked again"


def test_a_name_that_leads_to_a_public_and_a_private_address_is_refused(serve, names):
    site = serve()
    names["feed.test"] = [["8.8.8.8", "127.0.0.1"]]
    with pytest.raises(DataError, match=r"feed\.test is at 127\.0\.0\.1, which is not on the"):
        fetch(f"http://feed.test:{site.server_port}/", 100)
    assert site.asked == []


def test_the_next_address_is_tried_where_one_does_not_answer(serve, names):
    site = serve()
    names["feed.test"] = [["127.0.0.2", "127.0.0.1"]]
    body = fetch(f"http://feed.test:{site.server_port}/", 100, private=True)
    assert body.startswith(b"feed.test")
    names["feed.test"] = [["127.0.0.2", "127.0.0.3"]]
    with pytest.raises(DataError, match="refused"):
        fetch(f"http://feed.test:{site.server_port}/", 100, private=True)


def test_an_address_of_the_sixth_version_is_asked_by_its_number(serve):
    try:
        site = serve(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    body = fetch(f"http://[::1]:{site.server_port}/", 100, private=True)
    assert body.decode() == f"[::1]:{site.server_port} None None"


def test_each_redirect_is_checked_anew(serve, names):
    site = serve()
    with pytest.raises(DataError, match=r"169\.254\.169\.254, .*; no feed is served there"):
        fetch(f"http://127.0.0.1:{site.server_port}/metadata", 100, private=True)
    assert site.asked == ["/metadata"]


def test_nothing_but_the_question_is_told(serve, monkeypatch, tmp_path):
    site = serve()
    home = f"http://127.0.0.1:{site.server_port}"
    (tmp_path / ".netrc").write_text("default login anna password geheim\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    body = fetch(f"{home}/relative", 100, private=True)
    assert body.decode() == f"127.0.0.1:{site.server_port} None None"


def test_passwords_in_addresses_are_refused_and_not_repeated(serve):
    home = f"http://127.0.0.1:{serve().server_port}"
    for address in (home.replace("//", "//anna:geheim@"), f"{home}/password"):
        with pytest.raises(DataError, match="user name or a password") as refused:
            fetch(address, 100, private=True)
        assert "geheim" not in str(refused.value)


def test_messages_show_no_query():
    assert told("https://a.example/@anna/rss?key=geheim#x") == "https://a.example/@anna/rss?…"
    assert told("https://anna:geheim@a.example/rss") == "https://a.example/rss"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:{port}/odd", "Invalid port"),
        ("http://127.0.0.1:{port}/lost", "its server says 302"),
        ("http://[::1/", "Invalid port"),
        ("http:///rss", "expected an http or https address"),
        ("http://127.0.0.1:99999/", "cannot read"),
        ("http://a%00b.test/", "no address of"),
        ("http://" + "a" * 70 + ".test/", "no address of"),
        ("http://nowhere.invalid/rss", "no address of"),
    ],
)
def test_broken_addresses_are_told(serve, address, said):
    with pytest.raises(DataError, match=said):
        fetch(address.format(port=serve().server_port), 100, private=True)


def test_a_download_that_takes_forever_stops(serve, monkeypatch):
    monkeypatch.setattr(fetching, "PATIENCE", -1.0)
    with pytest.raises(DataError, match="takes longer"):
        fetch(f"http://127.0.0.1:{serve().server_port}/", 100, private=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> str:
    """A certificate for feed.test, in a file with its key."""
    folder = tmp_path_factory.mktemp("tls")
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("needs openssl, to make a certificate")
    subprocess.run(
        f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -subj /CN=feed.test -addext subjectAltName=DNS:feed.test -keyout key.pem -out cert.pem",
        shell=True,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return str(both)


def test_a_certificate_is_verified_by_the_name_though_the_address_is_asked(
    serve, names, certificate, monkeypatch
):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    port = serve(tls).server_port
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    names["feed.test"], names["other.test"] = [["127.0.0.1"]], [["127.0.0.1"]]
    assert fetch(f"https://feed.test:{port}/", 100, private=True).startswith(b"feed.test")
    with pytest.raises(DataError, match=r"certificate verify failed.*other\.test"):
        fetch(f"https://other.test:{port}/", 100, private=True)

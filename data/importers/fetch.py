"""Downloads from addresses that somebody else wrote, without reaching into the own network.

Who writes a feed's address, or answers it with a redirect, could otherwise have this machine ask
what only it can reach: its own services, its neighbours, the cloud's metadata. So a host is looked
up once, all its addresses are checked, and the connection goes to one that was checked: a name that
leads elsewhere a moment later changes nothing. Each redirect is a new address and checked anew.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from recsys.errors import DataError

Address = IPv4Address | IPv6Address

TIMEOUT = 20.0
"""Seconds that each step of a download may take."""
PATIENCE = 120.0
"""Seconds that the body of one may take: who sends a byte now and then holds it up forever."""
REDIRECTS = 5
AGENT = "recsys feed importer"

_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA = (IPv4Address("168.63.129.16"), IPv6Address("fd00:ec2::254"))
"""Where clouds tell a machine its secrets, apart from 169.254.169.254: Azure, and AWS on IPv6."""
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv6Network("fec0::/10"))
"""Set aside (RFC 6890), and once a site's own (RFC 3879), though Python calls them global."""


def fetch(url: str, most: int, private: bool = False) -> bytes:
    """Download at most ``most`` bytes; follows redirects to http and https only.

    Only addresses that the whole internet can reach are asked; with ``private`` also those of this
    machine and its network, but for metadata services. Any port: what is public may be asked by
    anybody, and feeds are served on odd ones. Proxies and passwords of the environment are not
    used, as a proxy would look the host up itself. Raises ``DataError`` where that fails.
    """
    at = _parsed(url)
    for _ in range(REDIRECTS + 1):
        with _answer(at, private) as answer:
            if not answer.has_redirect_location:
                return _received(answer, at, most)
            at = _parsed(answer.headers["location"], at)
    raise DataError(f"cannot read {told(url)}: it redirects more than {REDIRECTS} times")


def reachable(address: Address, private: bool = False) -> bool:
    """Return whether an address may be asked: it is public, or ``private`` lets it pass.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64) is judged as that.
    """
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    # Of what no site is served on, nothing lets pass.
    if (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in _METADATA
    ):
        return False
    return private or (
        address.is_global
        and not address.is_reserved
        and not any(address in network for network in _SPECIAL)
    )


def told(url: str | httpx.URL) -> str:
    """Return an address as messages may show it: a query or a password may be a secret."""
    bare, query, _ = str(url).partition("#")[0].partition("?")
    scheme, slashes, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}{query and '?…'}"


def _parsed(url: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except httpx.InvalidURL as error:
        raise DataError(f"cannot read {told(url)}: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DataError(f"cannot read {told(parsed)}: expected an http or https address")
    if parsed.userinfo:
        raise DataError(
            f"cannot read {told(parsed)}: it holds a user name or a password, which would end in"
            " logs; download it by other means and import the file"
        )
    return parsed


@contextmanager
def _answer(url: httpx.URL, private: bool) -> Iterator[httpx.Response]:
    """Ask the first of the host's addresses that answers."""
    addresses = _addresses(url, private)
    headers = {"user-agent": AGENT, "host": url.netloc.decode("ascii")}
    # A client for each: what is kept open or remembered for one host must not serve another that
    # has the same address. The environment may name authorities of its own, which are needed to
    # verify; nothing else of it is used.
    with httpx.Client(
        timeout=TIMEOUT, headers=headers, trust_env=False, verify=httpx.create_ssl_context()
    ) as client:
        try:
            with closing(_sent(client, url, addresses)) as answer:
                yield answer
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise DataError(f"cannot read {told(url)}: {said}") from error


def _sent(client: httpx.Client, url: httpx.URL, addresses: Sequence[Address]) -> httpx.Response:
    # The name is told in the Host header, and to TLS, which verifies the certificate by it.
    name = {"sni_hostname": url.raw_host.decode("ascii")}
    for place, address in enumerate(addresses, 1):
        request = client.build_request("GET", url.copy_with(host=str(address)), extensions=name)
        try:
            return client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if place == len(addresses):
                raise
    raise AssertionError("a host that is known has an address")


def _addresses(url: httpx.URL, private: bool) -> list[Address]:
    """Return where a host is, in the system's order of preference."""
    host = url.raw_host.decode("ascii")
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {told(url)}: no address of {host} ({said})") from error
    addresses = list(dict.fromkeys(ip_address(str(where[0])) for *_, where in found))
    for address in addresses:
        # One is enough to refuse: which of them a connection takes is chance.
        if not reachable(address, private):
            hint = (
                "; for a feed on your own network: --allow-private"
                if reachable(address, private=True)
                else "; no feed is served there"
            )
            raise DataError(
                f"cannot read {told(url)}: its host {host} is at {address}, which is not on the"
                f" public internet{hint}"
            )
    return addresses


def _received(answer: httpx.Response, url: httpx.URL, most: int) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise DataError(f"cannot read {told(url)}: its server says {answer.status_code}")
    body = bytearray()
    end = time.monotonic() + PATIENCE
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > most:
            raise DataError(f"cannot read {told(url)}: it is larger than {most // 2**20} MiB")
        if time.monotonic() > end:
            raise DataError(f"cannot read {told(url)}: it takes longer than {PATIENCE:g} seconds")
    return bytes(body)

"""Reckons what a network takes that is larger than any machine here, from what was measured.

Each figure comes from a table of RESULTS.md, is an assumption, or is provisional (see figures.py).
``--set name=value`` gives another, as a price of your own;
``--list`` shows them all. Nothing is measured by this command, and what it says is arithmetic:
straight lines through two or three points, drawn ten or a hundred times as far as they were seen.

The plan on paper (docs/operations/scale.md) holds what this prints: ``--page`` writes it there.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import FIGURES, Figure, read
from measure import RESULTS, parser, placed, table, tell

PAGE = Path(__file__).parents[1] / "docs" / "operations" / "scale.md"
DAY, MONTH = 86_400, 730
"""Seconds of a day, hours of a month."""
GIB = 2**30


def main() -> None:
    """Read the figures, reckon, print, and keep what is to be kept."""
    known = parser(__doc__)
    known.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="own")
    known.add_argument("--list", action="store_true", help="show the figures and their places")
    known.add_argument("--page", action="store_true", help=f"write the tables into {PAGE.name}")
    options = known.parse_args()
    try:
        own = {name: float(value) for name, _, value in (one.partition("=") for one in options.own)}
    except ValueError:
        known.error(f"--set {' '.join(options.own)}: expected NAME=VALUE with a number")
    if strange := set(own) - {figure.name for figure in FIGURES}:
        known.error(f"--set {', '.join(strange)}: no such figure; --list shows them")
    figures = read(RESULTS.read_text(encoding="utf-8"), own)
    if options.list:
        print(table(("name", "value", "unit", "what", "from"), [row(f) for f in figures]))
        return
    text = plan(figures)
    tell("plan", "A plan on paper", text, options.record)
    if options.page:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(placed(page, "plan", f"\n{text}\n"), encoding="utf-8")


@dataclass(frozen=True)
class Step:
    """One line of the arithmetic."""

    what: str
    how: str
    value: float
    unit: str


@dataclass(frozen=True)
class Role:
    """Machines that do one thing."""

    name: str
    cores: float
    gib: float
    """Memory of all of them."""
    count: int
    hours: float = MONTH
    """Of a month."""


def plan(figures: list[Figure]) -> str:
    """Return the whole plan as Markdown tables: figures, arithmetic, limits, machines, cost."""
    f = {figure.name: figure.value for figure in figures}
    steps = dict(reckoned(f))
    s = {name: step.value for name, step in steps.items()}
    lines = [(step.what, step.how, f"{short(step.value)} {step.unit}") for step in steps.values()]
    limits = sorted(broken(f, s), key=lambda one: one[0])
    roles = machines(f, s)
    costs = [(name, *cost(role, f)) for name, role in ((role.name, role) for role in roles)]
    others = bills(f, s)
    total = sum(one[-1] for one in costs) + sum(money for _, _, money in others)
    paid = [
        (name, f"{count}", short(cores), short(gib), f"{money:,.0f}")
        for name, count, cores, gib, money in costs
    ]
    paid += [(name, "", "", amount, f"{money:,.0f}") for name, amount, money in others]
    paid.append(("together", "", "", "", f"{total:,.0f}"))
    each = total / (s["mean"] * MONTH * 3600) * 1e6
    return "\n\n".join(
        [
            "### What it rests on",
            told(
                ("figure", "value", "", "of what", "from"), [row(one) for one in figures], words=3
            ),
            "### What follows",
            table(("", "arithmetic", "result"), lines),
            "### What breaks first, and what takes over",
            told(
                ("holds up to", "share of the aim", "what breaks", "what takes over"),
                [(held, f"{100 * share:,.1f} %", *words) for share, held, *words in limits],
                words=2,
            ),
            "### Machines and money",
            table(("", "machines", "cores", "GiB", "USD a month"), paid),
            f"That is {each:,.2f} USD for a million answers.",
        ]
    )


def told(columns: Sequence[str], rows: Sequence[Sequence[object]], words: int) -> str:
    """Return a table whose last ``words`` columns are prose, and stand at the left."""
    lines = table(columns, rows).splitlines()
    rule = lines[1].rsplit(":", words)
    lines[1] = "-".join(rule)
    return "\n".join(lines)


def row(figure: Figure) -> tuple[str, str, str, str, str]:
    """Return a figure as a row of a table."""
    return f"`{figure.name}`", short(figure.value), figure.unit, figure.what, figure.kind


def reckoned(f: dict[str, float]) -> Iterator[tuple[str, Step]]:
    """Yield the steps of the arithmetic by name, each with its numbers in it."""
    told = 1 + f["cards"] * f["seen"] + f["clicked"]
    how = f"1 + {f['cards']:g} × {f['seen']:g} + {f['clicked']:g}"
    yield "told", Step("events for an answer", how, told, "events")
    mean = f["rate"] / f["peak"]
    how = f"{short(f['rate'])} / {f['peak']:g}"
    yield "mean", Step("answers on the mean", how, mean, "answers/s")
    events = f["rate"] * told
    how = f"{short(f['rate'])} × {told:.2f}"
    yield "events", Step("events at the peak", how, events, "events/s")
    daily = mean * told * DAY
    how = f"{short(mean)} × {told:.2f} × 86,400"
    yield "daily", Step("events a day", how, daily, "events")
    tenfold = math.log10(f["articles"] / 1e5)
    slower = f["growth"] ** tenfold
    how = f"{f['growth']:g} ^ log10({short(f['articles'])} / 100,000)"
    yield "slower", Step("what an answer costs at that size", how, slower, "times")
    serving = f["rate"] * slower / f["serve"] / f["busy"]
    how = f"{short(f['rate'])} × {slower:.2f} / {f['serve']:g} / {f['busy']:g}"
    yield "serving", Step("cores that answer", how, serving, "cores")
    bundle = (f["articles"] * f["article_bytes"] + f["readers"] * f["reader_bytes"]) / GIB
    how = (
        f"{short(f['articles'])} × {short(f['article_bytes'])} B"
        f" + {short(f['readers'])} × {f['reader_bytes']:g} B"
    )
    yield "bundle", Step("a bundle, mapped once on each machine", how, bundle, "GiB")
    own = f["cores"] * f["private"] * f["articles"] / 1e6 * 1e6 / GIB
    how = f"{f['cores']:g} × {f['private']:g} MB × {short(f['articles'])} / 1 M"
    yield "own", Step("live state of a machine's workers", how, own, "GiB")
    fetch = bundle * 8 * GIB / 1e9 / f["link"]
    how = f"{bundle:.0f} GiB / {f['link']:g} Gbit/s"
    yield "fetch", Step("for a machine to fetch a bundle", how, fetch, "s")
    sign = f["rate"] * f["sign"] / 1e6
    how = f"{short(f['rate'])} × {f['sign']:g} µs"
    yield "sign", Step("to sign all slates, on all machines together", how, sign, "cores")
    follow = events / f["follow"]
    how = f"{short(events)} / {short(f['follow'])}"
    yield "following", Step("of a core, for each worker to follow all events", how, follow, "cores")
    refresh = f["refresh"] * f["articles"] / 1e6
    how = f"{f['refresh']:g} s × {short(f['articles'])} / 1 M"
    yield "refresh", Step("to bring a worker's view up to date", how, refresh, "s")
    databases = events / f["postgres"] / f["busy"]
    how = f"{short(events)} / {short(f['postgres'])} / {f['busy']:g}"
    yield "databases", Step("PostgreSQL servers for the events alone", how, databases, "servers")
    rows = daily * f["row_bytes"] / GIB
    how = f"{short(daily)} × {f['row_bytes']:g} B"
    yield "rows", Step("a day of events in a database", how, rows, "GiB")
    lake = daily * f["parquet_bytes"] * f["kept"] / GIB
    how = f"{short(daily)} × {f['parquet_bytes']:g} B × {f['kept']:g}"
    yield "lake", Step("all events that are kept, in Parquet", how, lake, "GiB")
    read_ = mean * (1 + f["clicked"]) * DAY * f["window"]
    how = f"{short(mean)} × {1 + f['clicked']:.2f} × 86,400 × {f['window']:g}"
    yield "openings", Step("openings that a training reads", how, read_, "events")
    alone = read_ / 1e6 * f["fit"] / f["cores"] / 3600
    how = f"{short(read_ / 1e6)} × {f['fit']:g} s / {f['cores']:g} / 3,600"
    yield "alone", Step("to train on one machine, had it the memory", how, alone, "hours")
    spark = read_ / 1e6 * f["spark"] / 3600 / f["night"]
    how = f"{short(read_ / 1e6)} × {f['spark']:g} s / 3,600 / {f['night']:g}"
    yield "spark", Step("Spark's cores for a training in time", how, spark, "cores")
    embed = f["articles"] * f["embed"] / 1e3 / 3600
    how = f"{short(f['articles'])} × {f['embed']:g} ms"
    yield "embed", Step("to embed all articles, once", how, embed, "core-hours")
    index = f["index"] * (f["articles"] / 1e6) ** 1.5 / 3600
    how = f"{f['index']:g} s × {short(f['articles'] / 1e6)} ^ 1.5 / 3,600"
    yield "index", Step("to build the index: cells grow with the root", how, index, "core-hours")
    vectors = f["articles"] * (f["index_bytes"] + 256) / GIB
    how = f"{short(f['articles'])} × ({f['index_bytes']:g} B + 256 B)"
    yield "vectors", Step("the index and its vectors", how, vectors, "GiB")
    sent = f["rate"] * f["packed"] * 8 / 1e9
    how = f"{short(f['rate'])} × {short(f['packed'])} B × 8"
    yield "sent", Step("sent to readers at the peak", how, sent, "Gbit/s")


def broken(f: dict[str, float], s: dict[str, float]) -> Iterator[tuple[float, str, str, str]]:
    """Yield what cannot grow on: the share of the aim that it bears, in words, and its heir."""
    tells = s["told"]
    for held, what, heir in (
        (
            f["sqlite"] / tells,
            "SQLite: one writer at a time",
            "PostgreSQL, by `recsys db copy`",
        ),
        (
            f["follow"] * 0.5 / tells,
            "each worker follows every event of the network, with half of a core",
            "a stream processor that counts once a second for all; workers follow its sums",
        ),
        (
            f["postgres"] / tells,
            "one PostgreSQL for events",
            "an event log (Kafka) in front, ClickHouse or Parquet behind; PostgreSQL keeps"
            " articles, rules and keys",
        ),
        (
            f["serve"] / s["slower"] * f["cores"] * f["busy"],
            "one machine that answers",
            "replicas behind a balancer: they share nothing but store and bundles",
        ),
    ):
        yield held / f["rate"], f"{short(held)} answers/s", what, heir
    nightly = f["night"] * 3600 * f["cores"] / f["fit"] * 1e6 / f["window"] / DAY
    held = nightly / (1 + f["clicked"]) * f["peak"]
    yield (
        held / f["rate"],
        f"{short(held)} answers/s",
        "training on one machine within a night",
        "`recsys train --engine spark` on events in Parquet; between nights the factors stay and"
        " new readers are folded in",
    )
    room = f["memory"] * GIB - f["articles"] * f["article_bytes"]
    held = max(room, 0) / f["reader_bytes"]
    yield (
        held / f["readers"],
        f"{short(held)} readers",
        "readers' tastes in the memory of each machine, beside all articles",
        "readers parted by hash over groups of replicas, or a key-value store asked once an answer",
    )
    held = 0.2 / f["refresh"] * 1e6
    yield (
        held / f["articles"],
        f"{short(held)} articles",
        "a worker's view renewed each second with a fifth of a core",
        "shards by site or age: the last weeks live, the rest in an index that changes nightly",
    )
    held = f["memory"] * GIB / 4 / (f["index_bytes"] + 256)
    yield (
        held / f["articles"],
        f"{short(held)} articles",
        "the index and its vectors within a quarter of a machine",
        "shards, or product-quantised lists (IVF-PQ) at some 16 B an article, re-ranked exactly",
    )


def machines(f: dict[str, float], s: dict[str, float]) -> list[Role]:
    """Return the machines that the plan asks for, one more of each than it needs."""

    def of(name: str, cores: float, gib: float = 0.0, hours: float = MONTH, least: int = 2) -> Role:
        count = max(math.ceil(cores / f["cores"]) + 1, least)
        return Role(name, count * f["cores"], max(gib, f["memory"]) * count, count, hours)

    room = s["bundle"] + s["own"]
    return [
        of("answers: `recsys serve`", s["serving"], 2 ** math.ceil(math.log2(room * 1.2))),
        of("TLS and balancing", f["rate"] * 2 / f["proxy_rate"] / f["busy"], f["memory"] / 2),
        of("events: the API before a log", s["events"] / f["api"] / f["busy"], f["memory"] / 2),
        of("event log, its sums, ClickHouse", s["events"] / f["log_rate"] / f["busy"], least=6),
        of("PostgreSQL: a primary, two standbys", f["cores"], least=3),
        of("training: Spark, each night", s["spark"], hours=f["night"] * 30.4),
    ]


def cost(role: Role, f: dict[str, float]) -> tuple[int, float, float, float]:
    """Return machines, cores, GiB and USD a month of a role."""
    hourly = role.cores * f["core_hour"] + role.gib * f["gib_hour"]
    return role.count, role.cores, role.gib, hourly * role.hours


def bills(f: dict[str, float], s: dict[str, float]) -> list[tuple[str, str, float]]:
    """Return what else costs money each month: amount and USD."""
    lake = s["lake"]
    week = 7 * s["rows"] / 4
    sent = s["mean"] * MONTH * 3600 * f["packed"] / GIB
    return [
        ("events in an object store", f"{short(lake)}", lake * f["object_month"]),
        (
            "a week of events on fast disks, packed to a quarter",
            f"{short(week)}",
            week * f["disk_month"],
        ),
        ("answers sent to readers", f"{short(sent)}", sent * f["egress"]),
    ]


def short(value: float) -> str:
    """Return a number as people say it: 50,000, 1.7 G, 0.065."""
    for limit, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M")):
        if abs(value) >= limit:
            return f"{value / limit:,.3g}{unit}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


if __name__ == "__main__":
    main()

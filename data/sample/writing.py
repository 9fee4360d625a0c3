"""Writes the articles of a plan: title, body and the rest of each import row."""

import datetime
import hashlib
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from data.sample.genres import GENRES, Genre
from data.sample.grammar import expand, sections, sentence, words
from data.sample.plan import CORRECTED, JAPAN, WIRED, Plan, season
from data.sample.sites import SITE_IDS
from recsys.types import NEVER, Tone

TITLE_TRIES = 8
FIELDS = {"job": ("employer", "pay"), "grammar": ("about", "example", "level")}
"""Names of a list's fields after the English and the Japanese one; ``about`` for the others."""
SEASONS_JA = {"winter": "冬", "spring": "春", "summer": "夏", "autumn": "秋"}
WEEKDAYS_JA = "月火水木金土日"
ADDED = (
    "The report was compiled from agency and local sources.",
    "Readers with more information can write to the editors.",
    "A fuller account will follow as details are confirmed.",
    "Our own correspondent contributed to this report.",
    "Times given are local, and figures are those known at publication.",
)
SINGULAR = {"is": "is", "has": "has", "was": "was", "does": "does", "s": "s", "es": "es"}
PLURAL = {"is": "are", "has": "have", "was": "were", "does": "do", "s": "", "es": ""}


def articles(plan: Plan, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the import rows of a plan's articles, in its order."""
    used: set[int] = set()
    for row in range(len(plan)):
        yield _article(plan, row, seed, used)


def _article(plan: Plan, row: int, seed: int, used: set[int]) -> dict[str, Any]:
    genre = GENRES[plan.genre[row]]
    original = int(plan.original[row])
    slots = _slots(plan, original, genre, seed)
    rng = random.Random((seed << 40) + row)
    paragraphs = _body(genre, slots, random.Random((seed << 40) + original))
    section = genre.section
    authors = _authors(genre, slots, rng)
    if plan.copied[row]:
        paragraphs = _edited(paragraphs, rng)
    if plan.copied[row] == WIRED:
        section = genre.wire[1] if genre.wire else section
        authors = ["Archipelago Wire"]
    title = _title(genre, slots, rng, used)
    if plan.copied[row] == CORRECTED:
        title = f"Update: {title}"
    site = SITE_IDS[plan.site[row]]
    key = _key(title, row)
    thing = slots["thing"]
    return {
        "site": site,
        "key": key,
        "url": f"/demo/{site}/{key}",
        "title": title,
        "body": "\n\n".join(paragraphs),
        "section": section,
        "tags": [thing, slots["place"], slots["pref"]],
        "authors": authors,
        "language": genre.language,
        "published": int(plan.published[row]),
        "image": f"/demo/image/{site}/{key}.svg",
        "sponsored": genre.sponsored,
        "tone": str(list(Tone)[plan.tone[row]]),
        "expires": int(plan.expires[row]) if plan.expires[row] < NEVER else None,
    }


def _slots(plan: Plan, row: int, genre: Genre, seed: int) -> dict[str, str]:
    """Return what stays the same through a story: its place, people, firm and season."""
    story = int(plan.story[row])
    rng = random.Random((seed << 41) + (1 << 39) + story)
    ja = genre.language == "ja"
    place = words("place")[plan.place[row]]
    entry = words(genre.things)[plan.thing[row]]
    local = datetime.datetime.fromtimestamp(int(plan.published[row]) + JAPAN, datetime.UTC)
    family, given = rng.sample(words("surname"), 2), rng.sample(words("given"), 2)
    far = rng.choice(words("place"))
    host, guest = rng.sample(words("mascot"), 2)
    mind = rng.choice(words("surname"))
    when = season(int(plan.published[row]))
    slots = {
        "thing": entry[1 if ja else 0],
        "place": place[1 if ja else 0],
        "pref": place[3 if ja else 2],
        "line": place[5 if ja else 4],
        "known": place[6],
        "surname": family[0][ja],
        "othersurname": mind[ja],
        "person": _name(given[0], family[0], ja),
        "other": _name(given[1], family[1], ja),
        "company": f"{rng.choice(words('firmhead'))[0]} {rng.choice(words('firmtail'))[0]}",
        "shop": _joined(rng.choice(words("shophead"))[0], rng.choice(words("shoptail"))[0]),
        "inn": f"{rng.choice(words('shophead'))[0]} {rng.choice(('Ryokan', 'Inn', 'House'))}",
        "team": f"{place[0]} {host[0]}",
        "rival": f"{far[0]} {guest[0]}",
        "month": f"{local:%B}",
        "toll": str(rng.randint(2, 9)),
        "age": str(rng.randint(71, 98)),
        "season": SEASONS_JA[when] if ja else when,
        "weekday": f"{WEEKDAYS_JA[local.weekday()]}曜日" if ja else f"{local:%A}",
        **(PLURAL if _plural(entry[0]) else SINGULAR),
    }
    for name, value in zip(FIELDS.get(genre.things, ("about",)), entry[2:], strict=False):
        slots[name] = value
    return slots


def _title(genre: Genre, slots: dict[str, str], rng: random.Random, used: set[int]) -> str:
    """Return a title that has not been used, unless none turns up soon."""
    templates = sections(genre.file)[f"{genre.text} title"]
    title = ""
    for _ in range(TITLE_TRIES):
        title = sentence(expand(rng.choice(templates), slots, rng).replace(" ?", "?"))
        mark = int.from_bytes(hashlib.blake2b(title.encode(), digest_size=7).digest())
        if mark not in used:
            used.add(mark)
            break
    return title


def _body(genre: Genre, slots: dict[str, str], rng: random.Random) -> list[str]:
    """Return paragraphs: a lead, some of details and a voice, and an end."""
    text = sections(genre.file)
    pick = {role: text[f"{genre.text} {role}"] for role in ("lead", "detail", "voice", "end")}
    count = min(rng.choice((5, 6, 6, 7, 8)), len(pick["detail"]))
    details = rng.sample(pick["detail"], count)
    common = rng.sample(text["common"], rng.choice((1, 1, 2)))
    details = [*details, *common]
    head, tail = details[0], details[1:]
    rng.shuffle(tail)
    voices = rng.sample(pick["voice"], rng.choice((1, 1, 2)) if len(pick["voice"]) > 1 else 1)
    groups: list[list[str]] = [[rng.choice(pick["lead"]), head]]
    while tail:
        size = rng.choice((1, 2, 2, 3))
        groups.append([*tail[:size]])
        tail = tail[size:]
    for voice in voices:
        groups[rng.randrange(1, len(groups))].append(voice)
    groups.append([rng.choice(pick["end"])])
    gap = "" if genre.language == "ja" else " "
    return [gap.join(sentence(expand(t, slots, rng)) for t in group) for group in groups]


def _edited(paragraphs: Sequence[str], rng: random.Random) -> list[str]:
    """Return a copy as another desk would run it: one paragraph cut, one sentence added."""
    middle = list(paragraphs)
    if len(middle) > 3:
        shortest = min(range(1, len(middle) - 1), key=lambda i: len(middle[i]))
        del middle[shortest]
    middle[-1] = f"{middle[-1]} {rng.choice(ADDED)}"
    return middle


def _authors(genre: Genre, slots: dict[str, str], rng: random.Random) -> list[str]:
    if genre.sponsored:
        return [slots["company"]]
    if genre.things == "job":
        return []
    if genre.language == "ja" or rng.random() < 0.45:
        given, family = rng.choice(words("given")), rng.choice(words("surname"))
        return [_name(given, family, genre.language == "ja")]
    return [rng.choice(words("columnist"))[0]]


def _name(given: tuple[str, ...], family: tuple[str, ...], ja: bool) -> str:
    return f"{family[1]}{given[1]}" if ja else f"{given[0]} {family[0]}"


def _joined(head: str, tail: str) -> str:
    return head + tail if tail.startswith("-") else f"{head} {tail}"


def _plural(thing: str) -> bool:
    last = thing.split()[-1]
    return (last.endswith("s") and not last.endswith("ss")) or " and " in thing


def _key(title: str, row: int) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain.replace("'", "")))[:56].rstrip("-")
    return f"{slug}-{row}" if len(slug) > 8 else f"ja-{row}"

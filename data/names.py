"""Tells by which names articles can be asked for: the sites, sections and languages of a store."""

from dataclasses import dataclass

from sqlalchemy import select

from data.schema import articles
from data.store import Store


@dataclass(frozen=True, slots=True)
class Names:
    """What the articles of a store that are up call themselves; "" where some say nothing."""

    sites: frozenset[str] = frozenset()
    sections: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()


def names(store: Store) -> Names:
    """Return the names in use."""
    up = articles.c.withdrawn.is_(None)
    with store.reading() as connection:
        sites, sections, languages = (
            frozenset(connection.scalars(select(column).where(up).distinct()))
            for column in (articles.c.site, articles.c.section, articles.c.language)
        )
    return Names(sites, sections, languages)

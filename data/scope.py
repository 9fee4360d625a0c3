"""Names what a key may be good for, without the weight of the store."""

from enum import StrEnum


class Scope(StrEnum):
    """What a key may be good for."""

    ARTICLES = "articles"
    EVENTS = "events"
    VISITORS = "visitors"

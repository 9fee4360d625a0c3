"""Names what a key may be good for, without the weight of the store."""

from enum import StrEnum


class Scope(StrEnum):
    """What a key may be good for."""

    ARTICLES = "articles"
    EVENTS = "events"
    VISITORS = "visitors"
    VIEWER = "viewer"
    """Sees the desk."""
    EDITOR = "editor"
    """Makes rules and takes them back."""
    ADMIN = "admin"
    """Rolls bundles back and reads who did what."""


INCLUDED: dict[Scope, tuple[Scope, ...]] = {
    Scope.EDITOR: (Scope.VIEWER,),
    Scope.ADMIN: (Scope.VIEWER, Scope.EDITOR),
}
"""What else a scope opens."""

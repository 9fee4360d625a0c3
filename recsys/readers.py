"""Remembers what recent readers opened, in bounded memory: anybody may invent readers."""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass

from recsys.types import Event
from recsys.visits import GAP


@dataclass(frozen=True, slots=True)
class Reader:
    """What one reader opened lately, article rows oldest first."""

    opened: tuple[int, ...] = ()
    visit: tuple[int, ...] = ()
    """Those of the latest visit."""
    session: str = ""
    at: int = 0
    """Time of the latest opening, UTC seconds."""
    context: tuple[str, ...] = ()
    """Circumstances of the latest opening."""

    def at_event(self, event: Event) -> "Reader":
        """Return the reader at the moment of an event: in a visit that goes on, or in a new one."""
        silent = abs(event.at - self.at) > GAP
        goes_on = event.session == self.session if event.session else not silent
        return self if goes_on else dataclasses.replace(self, visit=(), context=())

    def after(self, row: int, event: Event, most: int) -> "Reader":
        """Return the reader after opening an article; ``most`` rows are kept."""
        return Reader(
            opened=self.opened if row in self.opened else (*self.opened, row)[-most:],
            visit=self.visit if row in self.visit else (*self.visit, row)[-most:],
            session=event.session,
            at=max(event.at, self.at),
            context=event.context,
        )


NOBODY = Reader()


class Readers:
    """The most recently active readers by name; the least recent one goes when room is short."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, Reader] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, name: str) -> Reader:
        return self._known.get(name, NOBODY)

    def __setitem__(self, name: str, reader: Reader) -> None:
        self._known[name] = reader
        self._known.move_to_end(name)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        """Drop a reader, if known."""
        self._known.pop(name, None)

"""Writes down every row that could not be used, so that a publisher can mend it."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from recsys.errors import DataError

LONGEST_ROW = 2_000
"""Characters kept of a row."""


class Rejects:
    """A file of rejected rows, JSON Lines, made when the first one comes.

    ``directory/<name of the rejected rows' file>-<UTC time>.jsonl`` with the fields ``file``,
    ``line``, ``field``, ``reason`` and ``row``. Raises ``DataError`` where it cannot be written.
    """

    def __init__(self, directory: Path, name: str, now: int) -> None:
        when = datetime.datetime.fromtimestamp(now, datetime.UTC)
        stem = "stdin" if name == "-" else Path(name).name
        self._wanted = directory / f"{stem}-{when:%Y%m%dT%H%M%SZ}.jsonl"
        self._file: IO[str] | None = None
        self._name = name
        self.count = 0
        self.path: Path | None = None
        """Where the rejects are; None while there are none."""

    def add(
        self,
        line: int,
        field: str,
        reason: str,
        row: Mapping[str, Any] | str,
        source: str = "",
    ) -> None:
        """Write down one row; ``source`` is its file where it is one of several."""
        shown = row if isinstance(row, str) else json.dumps(row, default=str, ensure_ascii=False)
        entry = {
            "file": source or self._name,
            "line": line,
            "field": field,
            "reason": reason,
            "row": shown[:LONGEST_ROW],
        }
        try:
            file = self._file or self._open()
            # Escaped, so that a row which is not UTF-8 can be written too.
            file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise DataError(f"cannot write {self._wanted}: {error.strerror}") from error
        self.count += 1

    def _open(self) -> IO[str]:
        """Never write over the rejects of an import in the same second."""
        self._wanted.parent.mkdir(parents=True, exist_ok=True)
        path, number = self._wanted, 1
        while True:
            try:
                self._file = path.open("x", encoding="ascii")
            except FileExistsError:
                number += 1
                path = self._wanted.with_stem(f"{self._wanted.stem}-{number}")
            else:
                self.path = path
                return self._file

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

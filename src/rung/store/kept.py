"""One thing that a run keeps, as an attribute of its folder: a JSON file, or a file of JSON lines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from rung.store.folder import Folder

T = TypeVar("T")


class Kept(Generic[T]):
    """One thing that a run keeps, or has no trace of yet."""

    def __init__(self, folder: Folder, name: str, shape: Any, rows: bool) -> None:
        self._folder, self._name, self._shape, self._rows = folder, name, shape, rows

    @property
    def where(self) -> Path:
        """Where it lies, for messages."""
        return self._folder.path / self._name

    @property
    def exists(self) -> bool:
        return self._folder.has(self._name)

    @property
    def sha256(self) -> str | None:
        """Hash of the file's bytes; None where there is none."""
        if not self.exists:
            return None
        with self.where.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def get(self) -> T | None:
        """Return it, None where the run has none. Raises IntegrityError when the file is damaged."""
        return self.need() if self.exists else None

    def need(self) -> T:
        """Return it. Raises IntegrityError, naming the file, when it is missing or damaged."""
        load: Callable[..., Any] = self._folder.load_rows if self._rows else self._folder.load
        return cast(T, load(self._name, self._shape))

    def plain(self) -> Any:
        """Return it as plain data; None for rows, which are too many. Raises IntegrityError when the file is damaged."""
        return None if self._rows else self._folder.read(self._name)

    def save(self, value: T) -> None:
        """Keep it, atomically, in place of what was there."""
        if self._rows:
            self._folder.save_rows(self._name, cast(Sequence[Any], value), self._shape)
        else:
            self._folder.save(self._name, value, self._shape)

    def forget(self) -> None:
        self.where.unlink(missing_ok=True)


class One(Generic[T]):
    """An attribute whose value is one JSON file."""

    def __init__(self, name: str, shape: type[T]) -> None:
        self.name, self.shape = name, shape

    def __get__(self, owner: Folder, kind: type) -> Kept[T]:
        return Kept(owner, self.name, self.shape, False)


class Rows(Generic[T]):
    """An attribute whose value is a file of JSON lines."""

    def __init__(self, name: str, shape: type[T]) -> None:
        self.name, self.shape = name, shape

    def __get__(self, owner: Folder, kind: type) -> Kept[tuple[T, ...]]:
        return Kept(owner, self.name, self.shape, True)

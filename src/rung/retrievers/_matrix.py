"""Vectors in memory, for exact search: kept in step with what is stored, reading only what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]
Rows = Callable[[Sequence[int]], Iterable[tuple[int, bytes]]]  # keys -> (key, vector as little-endian float32)


class Matrix:
    """Keys and their vectors, sorted by key."""

    def __init__(self) -> None:
        self._keys: Keys = np.zeros(0, dtype=np.int64)
        self._vectors: npt.NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)

    def follow(self, stored: Keys, rows: Rows) -> None:
        """Take over the stored keys (sorted): drop those that are gone, read those that are new."""
        kept = np.isin(self._keys, stored, assume_unique=True)
        new = stored[~np.isin(stored, self._keys, assume_unique=True)]
        if kept.all() and not len(new):
            return
        keys, vectors = self._keys[kept], self._vectors[kept]
        if len(new):
            pairs = sorted(rows([int(key) for key in new]))
            added = np.frombuffer(b"".join(data for _, data in pairs), dtype="<f4").reshape(len(pairs), -1)
            keys = np.concatenate([keys, np.array([key for key, _ in pairs], dtype=np.int64)])
            vectors = np.concatenate([vectors, added]) if vectors.size else added.astype(np.float32)
            order = np.argsort(keys, kind="stable")
            if not (order[:-1] < order[1:]).all():
                keys, vectors = keys[order], vectors[order]
        self._keys, self._vectors = keys, vectors

    def nearest(self, vector: Sequence[float], k: int) -> list[tuple[int, float]]:
        """Return the `k` keys with the highest dot product, best first; ties by key."""
        wanted = np.asarray(vector, dtype=np.float32)
        if not len(self._keys) or k < 1:
            return []
        scores = self._vectors @ wanted
        if k < len(scores):
            line = np.partition(scores, len(scores) - k)[len(scores) - k]
            places = np.flatnonzero(scores >= line)
        else:
            places = np.arange(len(scores))
        best = places[np.argsort(-scores[places], kind="stable")][:k]
        return [(int(self._keys[i]), float(scores[i])) for i in best]

    @property
    def dimensions(self) -> int | None:
        """Numbers in a vector; None while there is none."""
        return self._vectors.shape[1] if len(self._keys) else None

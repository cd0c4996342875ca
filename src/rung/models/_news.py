"""What whoever waits is told of an endpoint: what answers have shown about it, and that it answers nothing for a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

from rung.models._fitting import Learning, Telling
from rung.models._pace import Clock
from rung.protocols import Model
from rung.store.cache import AnswerCache

_LEARNT = "learnt"
_QUIET_S = 10.0  # without an answer, from which it is said that the endpoint is waited for
_FIRST_REST_S = 60.0  # until that is said again; twice as long each time


class News:
    """What one endpoint was found to be like: told once, and what it refuses kept for later sessions."""

    def __init__(self, model: Model, cache: AnswerCache, identity: bytes) -> None:
        self.told: list[str] = []
        self.learnt: tuple[str, ...] = ()  # what the endpoint refuses, by the names of `_fitting`
        self._model, self._cache, self._key = model, cache, sha256(identity).digest()
        self._known: tuple[str, ...] = ()
        if isinstance(model, Learning):  # hand it what earlier sessions learnt; that was told already
            learnt = cache.noted(_LEARNT).get(self._key)
            model.recall(json.loads(learnt) if learnt else ())
            self.told += model.notices if learnt else ()
            self.learnt = model.learnt

    async def tell(self, notices: tuple[str, ...], say: Callable[[str], None]) -> None:
        """Tell what has not been told yet, of these and of the model's own."""
        notices = (*notices, *(self._model.notices if isinstance(self._model, Telling) else ()))
        if notices == self._known:
            return
        self._known = notices
        for notice in [n for n in notices if n not in self.told]:
            self.told.append(notice)
            say(notice)
        if isinstance(self._model, Learning) and self._model.learnt != self.learnt:
            self.learnt = self._model.learnt
            await self._cache.note(_LEARNT, {self._key: json.dumps(self.learnt)})


class Quiet:
    """An endpoint that has let nobody through for a while: to whoever looks on, a bar stands still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None  # the first trouble after the last answer
        self._not_before, self._rest_s = 0.0, _FIRST_REST_S

    def answered(self) -> None:
        self._since = None

    def waits(self, wait_s: float, error: Exception, say: Callable[[str], None]) -> None:
        """Note that a request waits after trouble; say so where none was answered for a while, or will be for as long."""
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        if now + wait_s < self._since + _QUIET_S or now < self._not_before:
            return
        self._not_before, self._rest_s = now + self._rest_s, 2 * self._rest_s
        say(
            f"waiting: {error}; no answer for {now - self._since:.0f} s, asked again in {wait_s:.1f} s "
            "(Ctrl-C ends it, and keeps every answer)"
        )

"""When a provider wants to be asked again: read from the headers of its reply, or from the words of its error."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_IN_WORDS = re.compile(
    r"(?:try again|retry|wait|retrydelay|retry_after)\W{1,4}(?:in |after |for |at least )?(?=\d)", re.IGNORECASE
)
_PART = re.compile(
    r"\s?(?:and )?(\d{1,9}(?:\.\d{1,9})?) ?(?:(milliseconds?|ms)|(seconds?|secs?|s)|(minutes?|mins?|m)|(hours?|hrs?|h)|(days?|d))?(?![a-z])",
    re.IGNORECASE,
)
_SECONDS = (0.001, 1.0, 60.0, 3_600.0, 86_400.0)  # of the units, in their order there
_LONGEST = 100  # characters of a header that are read


def _duration(text: str, start: int = 0) -> float | None:
    """Return the seconds that stand at a place: 20, 20s, 1h12m3.5s, "2 hours and 5 minutes"; None without a number."""
    total, found = 0.0, _PART.match(text, start)
    if found is None:
        return None
    while found is not None:
        number, *units = found.groups()
        worth = [seconds for unit, seconds in zip(units, _SECONDS, strict=True) if unit]
        total += float(number) * (worth[0] if worth else 1.0)
        found = _PART.match(text, found.end()) if worth else None
    return total


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the provider names: retry-after-ms, or Retry-After as seconds, a date, or in units.

    RFC 9110 section 10.2.3; `retry-after-ms` is an extension of several providers. None: no time was named, or not in
    a form we can read.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name) or headers.get(name.title())
        if value is None:
            continue
        seconds = _seconds(value[:_LONGEST].strip(), unit)
        if seconds is not None and math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _seconds(value: str, unit: float) -> float | None:
    with contextlib.suppress(ValueError):
        return float(value) / unit
    for date in (parsedate_to_datetime, datetime.fromisoformat):
        with contextlib.suppress(ValueError, OverflowError):
            return date(value).timestamp() - time.time()
    return _duration(value)


def named_in(words: str) -> float | None:
    """Return the seconds to wait that an error names in its words ("Please try again in 1m20s", retryDelay: 34s); else None."""
    found = _IN_WORDS.search(words)
    return None if found is None else _duration(words, found.end())

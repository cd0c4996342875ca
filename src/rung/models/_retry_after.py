"""When a provider wants to be asked again: read from the headers of its reply, or from the words of its error."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_IN_WORDS = re.compile(
    r"(?:try again|retry|wait|retrydelay|retry_after)\W{1,4}(?:in |after |for |at least )?(\d{1,6}(?:\.\d{1,9})?) ?(ms|s|m)?\w{0,12}",
    re.IGNORECASE,
)
_SECONDS = {"ms": 0.001, "m": 60.0}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the provider names: retry-after-ms, or Retry-After as seconds or HTTP date.

    RFC 9110 section 10.2.3; `retry-after-ms` is an extension of several providers. None: no time was named, or not in
    a form we can read.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name) or headers.get(name.title())
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, OverflowError):
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def named_in(words: str) -> float | None:
    """Return the seconds to wait that an error names in its words ("Please try again in 20s", retryDelay: 34s); else None."""
    found = _IN_WORDS.search(words)
    return None if found is None else float(found[1]) * _SECONDS.get((found[2] or "s").lower(), 1.0)

"""How many connections this process may open: every one is an open file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rung.models.settings import ProviderSettings

try:
    import resource
except ImportError:  # there is no such limit on Windows
    resource = None  # type: ignore[assignment]

_OTHERS = 64  # files beside the connections: the cache, the run folder, modules, the terminal


def within_open_files(
    settings: Mapping[str, ProviderSettings], say: Callable[[str], None]
) -> dict[str, ProviderSettings]:
    """Raise the limit on open files to what the models need; where that is not allowed, cut their concurrency and say so."""
    wanted = sum(s.concurrency for s in settings.values()) + _OTHERS
    allowed = _open_files(wanted)
    if allowed is None or allowed >= wanted:
        return dict(settings)
    each = max(1, (allowed - min(_OTHERS, allowed // 2)) // max(1, len(settings)))
    found = {r: s.model_copy(update={"concurrency": min(s.concurrency, each)}) for r, s in settings.items()}
    for role, s in settings.items():
        if found[role].concurrency < s.concurrency:
            say(
                f"models.{role}: concurrency is {each} instead of {s.concurrency}, since this process may open {allowed} files "
                "at once (ulimit -n)"
            )
    return found


def _open_files(wanted: int) -> int | None:
    """Return how many files may be open, raised towards `wanted` as far as the hard limit allows; None: no limit is known."""
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (ValueError, OSError):  # macOS has a further limit below a hard one that it calls infinite
        return soft
    return target

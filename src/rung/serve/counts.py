"""What the service counts, as Prometheus reads it: few series, none of them named by what a request holds."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


@dataclass
class Counts:
    """Requests by way and status, their seconds, their tokens, and how many are under way."""

    in_flight: int = 0
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0
    tokens: Counter[str] = field(default_factory=Counter)
    fallbacks: int = 0
    shadow: Counter[str] = field(default_factory=Counter)
    challenger: Counter[str] = field(default_factory=Counter)

    def ended(self, way: str, status: int, seconds: float) -> None:
        """Count a request; `status` 499: its client went away."""
        self.requests[way, status] += 1
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def text(self) -> str:
        lines = ["# TYPE rung_requests_total counter"]
        lines += [f'rung_requests_total{{way="{w}",status="{s}"}} {n}' for (w, s), n in sorted(self.requests.items())]
        lines += ["# TYPE rung_request_seconds histogram"]
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.buckets, strict=True):
            total += count
            lines.append(f'rung_request_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"rung_request_seconds_sum {self.seconds:.6f}", f"rung_request_seconds_count {total}"]
        lines += ["# TYPE rung_tokens_total counter"]
        lines += [f'rung_tokens_total{{side="{side}"}} {self.tokens[side]}' for side in ("input", "output")]
        lines += ["# TYPE rung_fallbacks_total counter", f"rung_fallbacks_total {self.fallbacks}"]
        lines += ["# TYPE rung_shadow_total counter"]
        lines += [f'rung_shadow_total{{answer="{kind}"}} {n}' for kind, n in sorted(self.shadow.items())]
        lines += ["# TYPE rung_challenger_total counter"]
        lines += [f'rung_challenger_total{{request="{kind}"}} {n}' for kind, n in sorted(self.challenger.items())]
        lines += ["# TYPE rung_in_flight gauge", f"rung_in_flight {self.in_flight}"]
        return "\n".join(lines) + "\n"

"""Everything rung raises.

RungError
├── ConfigError        rung.yaml is wrong: every problem at once
├── DataError          a data file or row is wrong: file, line, column
│   └── SplitError     the rows cannot be split as asked
├── PluginError
│   ├── UnknownPlugin  no plugin of that kind and name
│   ├── PluginConflict two plugins with one name
│   └── MissingExtra   an optional package is not installed
├── ModelError         a provider failed
│   ├── Retryable      ... in a way that another attempt may mend
│   ├── RefusedByModel ... because it declined to answer
│   └── ContextOverflow ... because the request is longer than its context
├── UnusableAnswers    the first answers are cut off, empty, refused or all equal: a setting is to blame
├── BudgetSpent        the next call might exceed the cap
├── NotAllowed         a project from elsewhere wants to run code, read outside its folder or send a variable
├── IntegrityError     stored content is not what it was
│   └── NotTheSame     an approach does not answer as it was measured
├── FolderBusy         another climb works in this folder
├── NewerFolder        the run folder was written by a newer version
├── NotOffered         a rung cannot serve this task or these rows; the climb goes on
│   ├── EqualAnswers   a prompted model gives one answer to everything; the climb goes on
│   ├── Awaited        a model that is tuned elsewhere is not there yet; the same command goes on with it
│   └── TuningError    a model could not be tuned; the climb goes on with what was measured
└── Interrupted        stopped before the end; the same command goes on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rung.types import Message


class RungError(Exception):
    """Base of all errors a user may see; prints as one paragraph. `exit_code` is the command line's status."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration: where, what was found, what is allowed."""

    path: str
    message: str
    value: str | None = None
    allowed: str | None = None

    def __str__(self) -> str:
        found = f" (found {self.value})" if self.value is not None else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return f"{self.path}: {self.message}{found}{allowed}"


class ConfigError(RungError):
    """The configuration is wrong; `problems` lists everything, not just the first."""

    def __init__(self, problems: Sequence[Problem], source: str = "rung.yaml") -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = "\n".join(f"  - {p}" for p in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{source} has {count}:\n{lines}")


class DataError(RungError):
    """A data file cannot be used; names the file and, where known, line and column, and the cell as a spreadsheet counts."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: str | None = None,
        cell: str | None = None,
    ) -> None:
        self.file, self.line, self.column, self.cell = file, line, column, cell
        named = "".join(c if c.isprintable() else f"⟦U+{ord(c):04X}⟧" for c in file) if file else None  # in one line
        where = ", ".join(
            part for part in (named, f"line {line}" if line else None, f"column {column!r}" if column else None) if part
        )
        where += f" ({cell})" if cell else ""
        super().__init__(f"{where}: {message}" if where else message)


class SplitError(DataError):
    """The rows cannot be parted into train, dev and test as asked."""


class PluginError(RungError):
    """A plugin is unknown, doubled, or lacks its packages."""


class UnknownPlugin(PluginError):
    """No plugin of that kind and name; the message lists the nearest names."""


class PluginConflict(PluginError):
    """Two plugins of one kind have one name."""


class MissingExtra(PluginError):
    """A plugin needs packages that are not installed; the message holds the pip line."""


class ModelError(RungError):
    """A model provider failed. `status` is the HTTP status where there was one."""

    def __init__(
        self, message: str, *, provider: str, status: int | None = None, request_id: str | None = None
    ) -> None:
        self.provider, self.status, self.request_id = provider, status, request_id
        super().__init__(message)


class Retryable(ModelError):
    """Another attempt may succeed, not before `retry_after_s` seconds where the provider named a time.

    `billed`: the provider may have done the work all the same (a timeout, a broken answer), so the attempt may cost.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        timed_out: bool = False,
        billed: bool = False,
    ) -> None:
        self.retry_after_s, self.timed_out, self.billed = retry_after_s, timed_out, billed
        self.in_line = False  # it timed out behind requests of our own: no trouble of the endpoint
        super().__init__(message, provider=provider, status=status, request_id=request_id)


class NotRecorded(Retryable):
    """There is no stored answer to this example, and nobody who could be asked: its score is unknown."""


class RefusedByModel(ModelError):
    """The model or its provider declined to answer this request; token counts where it was billed."""

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        status: int | None = None,
        request_id: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        self.input_tokens, self.output_tokens = input_tokens, output_tokens
        super().__init__(message, provider=provider, status=status, request_id=request_id)


class EffortRefused(ModelError):
    """The endpoint does not take the reasoning effort that it was asked with; `takes_others`: but it takes other ones."""

    def __init__(self, message: str, *, provider: str, status: int | None, takes_others: bool) -> None:
        self.takes_others = takes_others
        super().__init__(message, provider=provider, status=status)


class ContextOverflow(ModelError):
    """The request is longer than the model's context window; counts in tokens where known."""

    def __init__(self, message: str, *, provider: str, tokens: int | None = None, context: int | None = None) -> None:
        self.tokens, self.context = tokens, context
        super().__init__(message, provider=provider)


class UnusableAnswers(RungError):
    """The first answers say nothing about an approach: cut off, empty, refused, or all equal. The message names the key to change;
    what was answered is kept, and the test set was not opened."""


class BudgetSpent(RungError):
    """The worst case of the next call would exceed the cap. Amounts in US dollars."""

    exit_code = 3

    def __init__(self, message: str, *, spent: float, limit: float) -> None:
        self.spent, self.limit = spent, limit
        super().__init__(message)


class NotAllowed(RungError):
    """A project or run folder wants what nobody on this machine has allowed; the message lists it."""


class IntegrityError(RungError):
    """Stored rows or results are not what was frozen; the message says what changed."""


class NotTheSame(IntegrityError):
    """An approach that is to be served, or is served, is shown to answer otherwise than when it was measured."""

    exit_code = 1


class FolderBusy(RungError):
    """Another climb holds the run folder's lock."""

    exit_code = 4


class NewerFolder(RungError):
    """The run folder has a schema number that this version does not know."""


class NotOffered(RungError):
    """A rung cannot serve this task or these rows; the ladder records the reason and goes on."""


class EqualAnswers(NotOffered):
    """A prompted model gives one answer to everything although the expected ones differ: its approach is not measured."""


class Awaited(NotOffered):
    """A model that is tuned elsewhere is not configured yet. `chat` over `columns`: the prompt that it is to be tuned under."""

    def __init__(self, role: str, chat: Sequence[Message], columns: Sequence[str]) -> None:
        self.role = role
        self.chat = tuple(chat)
        self.columns = tuple(columns)
        super().__init__(f"waiting for the model tuned elsewhere, models.{role}")


class TuningError(NotOffered):
    """A model could not be tuned (memory, disk, template, tokenizer); the message says why and what would mend it."""


class Interrupted(RungError):
    """The climb stopped before its end with everything answered so far kept; the same command resumes."""

    exit_code = 4

"""A scoring function of the user's own, from a file that the configuration names (and so trusts)."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import math
import queue
import threading
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator

from rung.errors import RungError
from rung.foreign import foreign
from rung.plugins import located
from rung.types import Example, Failure, Score, Task

MOST_HUNG = 3  # hung calls of one function: each holds a thread and the climb for a while
_ROUNDING = 1e-9  # by so much a mean of ones may lie above 1
_HUNG: Counter[str] = Counter()


class PythonFunction(BaseModel):
    """Score with `function(answer, target, inputs)`, which returns a number in [0, 1] or a truth value, also those of numpy.

    `function` is written `scoring.py:polite`; a relative path starts at the folder of rung.yaml. The file runs as
    part of rung, with all its rights. What it raises, a call that hangs, and numbers outside [0, 1] become a failure of the
    row; three hung calls end the climb.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    function: str = Field(description="path of a Python file, a colon, and the name of a function in it")
    rule: str | None = Field(None, description="the asked-for form in plain words, for prompts")
    timeout_s: float = Field(30.0, gt=0, allow_inf_nan=False, description="for one call; a hung one is left behind")
    _state: tuple[int, ...] = PrivateAttr(())

    @field_validator("function")
    @classmethod
    def _exists(cls, function: str, info: ValidationInfo) -> str:
        """Find the function without running the file, so that a wrong name is told before anything is paid."""
        given, name = _parts(function)
        path = Path(located(str(given), info))
        if not path.is_file():
            raise ValueError(f"no file {str(path)!r}; write path.py:function, relative to the folder of rung.yaml")
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{str(path)!r} is not Python: {error}") from error
        except OSError as error:
            raise ValueError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        names = sorted(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
        if name not in names:
            raise ValueError(f"{str(path)!r} defines no function {name!r}; it has: {', '.join(names) or 'none'}")
        return f"{path}:{name}"

    def model_post_init(self, _: object) -> None:
        """Keep how the file stands now: one that is changed in a running Python is loaded anew by the next climb."""
        with contextlib.suppress(OSError):
            at = _parts(self.function)[0].stat()
            self._state = at.st_size, at.st_mtime_ns

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        try:
            value = self._called(answer, example)
        except _Raised as error:
            return Failure("metric", str(error))
        if not isinstance(value, float):
            return Failure("metric", f"{self._said} returned {type(value).__name__}; return a number in [0, 1]")
        if math.isnan(value) or not -_ROUNDING <= value <= 1.0 + _ROUNDING:
            return Failure("metric", f"{self._said} returned {value}; return a number in [0, 1]")
        return Score(min(max(value, 0.0), 1.0))

    def _called(self, answer: str, example: Example) -> object:
        """Call the function in a thread of its own, which can be left behind where it hangs."""
        ended: queue.SimpleQueue[object] = queue.SimpleQueue()

        def work() -> None:
            try:
                ended.put(self._returned(answer, example))
            except _Raised as error:
                ended.put(error)

        threading.Thread(target=work, name=f"rung {self._said}", daemon=True).start()
        try:
            value = ended.get(timeout=self.timeout_s)
        except queue.Empty:
            raise self._hung(example) from None
        if isinstance(value, _Raised):
            raise value
        return value

    def _returned(self, answer: str, example: Example) -> object:
        said = self._said
        with foreign(lambda error: _Raised(f"{said} raised {type(error).__name__}: {error}"), passes=()):
            return _number(_load(self.function, self._state)(answer, example.target, dict(example.inputs)))

    def _hung(self, example: Example) -> Exception:
        """Return what a call that did not return means: a failure of its row, and after the third the end of the climb."""
        _HUNG[self.function] += 1
        said = f"{self._said} did not return within {self.timeout_s:g} s (timeout_s)"
        if _HUNG[self.function] < MOST_HUNG:
            return _Raised(said)
        return RungError(
            f"the metric {said} on {MOST_HUNG} examples, the last of them {example.id!r}; look there for a loop or a wait without "
            "end, fix it and run the same command again: the answers are kept"
        )

    @property
    def _said(self) -> str:
        """The function as messages name it: without the folders of this machine."""
        path, name = _parts(self.function)
        return f"{path.name}:{name}"

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        return None

    def format_rule(self, task: Task) -> str | None:
        return self.rule


def _number(value: object) -> object:
    """Return a number or truth value of any library as a float, what is neither as it is. Raises what the value raises."""
    if value is None or isinstance(value, str | bytes | complex):
        return value
    if hasattr(value, "__float__") or hasattr(value, "__index__"):
        return float(value)  # type: ignore[arg-type]
    return float(bool(value)) if hasattr(value, "__bool__") else value


class _Raised(Exception):
    """The user's function, or the file around it, raised."""


def _parts(function: str) -> tuple[Path, str]:
    path, colon, name = function.rpartition(":")
    if not colon or not path or not name.isidentifier():
        raise ValueError(f"{function!r} is not of the form path.py:function")
    return Path(path), name


@lru_cache(maxsize=32)
def _load(function: str, state: tuple[int, ...]) -> Callable[[str, str, dict[str, str]], object]:
    path, name = _parts(function)
    spec = importlib.util.spec_from_file_location(f"rung_user_metric_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as Python; does its name end in .py?")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[str, str, dict[str, str]], object] = getattr(module, name)
    return found

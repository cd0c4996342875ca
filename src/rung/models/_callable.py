"""A function of the user's own: found by "file.py:name" or "module:name", loaded, and what it raises sorted."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rung.errors import ConfigError, ModelError, Problem, Retryable
from rung.foreign import foreign
from rung.models._retry_after import retry_after
from rung.models._said import scrub

# What no other row and no other attempt would mend: the code is broken, or its own access is.
_BROKEN = (ImportError, NameError, SyntaxError)
_NO_ACCESS = (401, 402, 403)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a function is: a file, or a module that Python can import, and the (dotted) name in it."""

    module: str  # a path that ends in .py, or a dotted module name
    name: str

    @classmethod
    def of(cls, written: str) -> Place:
        """Read "file.py:name" or "module:name". Raises ValueError for anything else."""
        module, colon, name = written.rpartition(":")
        dotted = all(part.isidentifier() for part in name.split("."))
        if not colon or not dotted or not (module.endswith(".py") or all(p.isidentifier() for p in module.split("."))):
            raise ValueError(f"{written!r} is not of the form file.py:function or module:function")
        return cls(module, name)

    @property
    def is_file(self) -> bool:
        return self.module.endswith(".py")

    def __str__(self) -> str:
        """The function as messages name it: without the folders of this machine."""
        return f"{Path(self.module).name if self.is_file else self.module}:{self.name}"

    def check(self) -> None:
        """Raise ValueError where the file cannot define the function. Runs nothing; a module is not looked up."""
        if not self.is_file:
            return
        path = Path(self.module)
        if not path.is_file():
            raise ValueError(f"no file {self.module!r}; write file.py:function, relative to the folder of rung.yaml")
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{path.name!r} is not Python: {error}") from error
        functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        if self.name.split(".")[0] not in _bound(tree):
            raise ValueError(f"{path.name!r} defines no {self.name!r}; it has: {', '.join(functions) or 'no function'}")

    def source_sha256(self) -> str | None:
        """Return the hash of the source file; None where there is none to be found."""
        file = self._source()
        return hashlib.sha256(file.read_bytes()).hexdigest() if file else None

    def has_parameter(self, parameter: str) -> bool | None:
        """Return whether the function's source names this parameter; None where no such source is found. Runs nothing."""
        file = self._source()
        try:
            body: list[ast.stmt] = ast.parse(file.read_bytes()).body if file else []
        except (SyntaxError, ValueError):
            return None
        *classes, last = self.name.split(".")
        for name in classes:
            body = next((n.body for n in body if isinstance(n, ast.ClassDef) and n.name == name), [])
        found = [n.args for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == last]
        names = [a.arg for args in found[-1:] for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        return parameter in names if found else None

    def _source(self) -> Path | None:
        if self.is_file:
            path: str | None = self.module
        else:
            _importable(Path.cwd())
            try:
                spec = importlib.util.find_spec(self.module)
            except (ImportError, ValueError):
                return None
            path = spec.origin if spec and spec.has_location else None
        return Path(path) if path and Path(path).is_file() else None

    def load(self, model: str) -> Callable[..., Any]:
        """Run the file, or import the module, and return the function. Raises ConfigError that names the model."""
        with foreign(lambda error: self._unfit(model, f"cannot be loaded: {said_by(error)}"), passes=()):
            found: Any = self._file() if self.is_file else self._imported()
            for part in self.name.split("."):
                found = getattr(found, part)
        if not callable(found):
            raise self._unfit(model, f"is of type {type(found).__name__}, which cannot be called; name a function")
        function: Callable[..., Any] = found
        return function

    def takes_messages(self, function: Callable[..., Any], model: str) -> bool:
        """Return whether it takes the chat as `messages` (else it takes one text). Raises ConfigError for neither."""
        try:
            signature = inspect.signature(function)
        except (ValueError, TypeError):
            return False  # written in C: it does not tell
        chat = "messages" in signature.parameters
        try:
            signature.bind(messages=[]) if chat else signature.bind("")
        except TypeError as error:
            message = f"is called with one text, or with `messages` if it takes that, and cannot be: {error}"
            raise self._unfit(model, message) from None
        return chat

    def _file(self) -> ModuleType:
        path = Path(self.module).resolve()
        name = f"rung_feature_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} cannot be loaded as Python")
        _importable(path.parent)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses of the file look themselves up there
        spec.loader.exec_module(module)
        return module

    def _imported(self) -> ModuleType:
        _importable(Path.cwd())
        return importlib.import_module(self.module)

    def _unfit(self, model: str, message: str) -> ConfigError:
        return ConfigError([Problem(f"models: {model}", f"{self} {message}")], "the model's function")


def fault_of(error: BaseException, place: Place) -> ModelError:
    """Return what an error raised by the user's function means: a fault of this row, or one that stops the climb.

    A row's fault is Retryable, so that it is tried again, then counted as that row's failure; a function that never
    answers still stops the climb. Broken code and refused access (by HTTP status) stop it at once.
    """
    message = f"{place} raised {said_by(error)}"
    response = getattr(error, "response", None)
    statuses = [getattr(e, name, None) for e in (error, response) for name in ("status_code", "status", "code")]
    status = next((s for s in statuses if isinstance(s, int) and 100 <= s <= 599), None)
    if status in _NO_ACCESS or isinstance(error, _BROKEN):
        return ModelError(message, provider="python", status=status)
    headers = getattr(response, "headers", None)
    wait_s = retry_after(headers) if headers is not None and hasattr(headers, "get") else None
    timed_out = isinstance(error, TimeoutError)
    return Retryable(message, provider="python", status=status, retry_after_s=wait_s, timed_out=timed_out)


def said_by(error: BaseException) -> str:
    """Return kind, words and place of an error in one line, keys masked."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return scrub(f"{type(error).__name__}: {error}", ()) + at


def _bound(tree: ast.AST) -> set[str]:
    """Return every name that the file binds anywhere: too many rather than too few, since loading decides."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
    return found


def _importable(folder: Path) -> None:
    """Let modules of the folder be imported, as `python file.py` does, but after all that is installed."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

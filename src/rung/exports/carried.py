"""The code of rung that an exported program needs, as it stands: each definition with what it uses, module by module.

An export runs without rung, by the very functions that were measured. They are copied as text: a module of the copy holds the
definitions that are used, in their order, below the imports that these need. What only annotations name is left out, since no
annotation is evaluated.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from rung.store.folder import write_atomic

PACKAGE = "from_rung"  # the folder of the copy beside an exported program
_OURS = "rung"

Definition = tuple[str, str]  # module, name


def carry(roots: Sequence[Definition], out: Path) -> None:
    """Write these definitions and all that they use into the folder `from_rung` of `out`."""
    wanted: dict[str, set[int]] = {}
    waiting = [_defined(*root) for root in roots]
    while waiting:
        module, name = waiting.pop()
        source = _source(module)
        place = source.places[name]
        if place not in wanted.setdefault(module, set()):
            wanted[module].add(place)
            waiting += source.uses(place)
    for module, places in wanted.items():
        for folder in _folders(module):
            (out / folder).mkdir(parents=True, exist_ok=True)
            if not (out / folder / "__init__.py").exists():
                write_atomic(out / folder / "__init__.py", b"")
        write_atomic(out / f"{'/'.join(_renamed(module).split('.'))}.py", _source(module).written(places).encode())


def _renamed(module: str) -> str:
    return PACKAGE + module.removeprefix(_OURS)


def _folders(module: str) -> Iterator[str]:
    parts = _renamed(module).split(".")[:-1]
    yield from ("/".join(parts[:n]) for n in range(1, len(parts) + 1))


@cache
def _path(module: str) -> Path | None:
    """Return the file of a module of rung, not of a package; None where there is none."""
    found = importlib.util.find_spec(module.rpartition(".")[0]) if "." in module else None
    places = found.submodule_search_locations if found is not None else None
    path = Path(places[0], module.rpartition(".")[2] + ".py") if places else None
    return path if path is not None and path.is_file() else None


@cache
def _source(module: str) -> _Source:
    path = _path(module)
    if path is None:
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        assert spec.origin is not None, module
        path = Path(spec.origin)
    return _Source(module, path.read_text(encoding="utf-8"))


def _defined(module: str, name: str) -> Definition:
    """Return where a name is defined that may be handed on by imports."""
    imported = _source(module).imports.get(name)
    if name not in _source(module).places and imported is not None and imported[0].split(".")[0] == _OURS:
        return _defined(*imported)
    return module, name


@dataclass(frozen=True)
class _Source:
    """One module: its statements, the names they bind, and the names that it imports."""

    module: str
    text: str
    imports: dict[str, Definition] = field(default_factory=dict)  # name here -> module and name there ("": the module)
    places: dict[str, int] = field(default_factory=dict)  # name -> the statement that binds it

    def __post_init__(self) -> None:
        for place, statement in enumerate(self.statements):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports.update(_imported(statement))
            elif not _for_types_alone(statement):
                self.places.update(dict.fromkeys(_bound(statement), place))

    @cached_property
    def statements(self) -> list[ast.stmt]:
        return ast.parse(self.text).body

    def uses(self, place: int) -> list[Definition]:
        """Return what a statement uses of rung."""
        found = _Uses.of(self.statements[place])
        inner = [i for node in found.imports for i in _imported(node).values()]
        named = [self.imports[name] for name in found.names if name in self.imports]
        here = [(self.module, name) for name in sorted(found.names) if name in self.places]
        return [*here, *(_defined(*i) for i in [*named, *inner] if i[0].split(".")[0] == _OURS)]

    def written(self, places: set[int]) -> str:
        """Return the module with these statements alone."""
        lines = self.text.splitlines(keepends=True)
        kept = [self.statements[place] for place in sorted(places)]
        used = set().union(*(_Uses.of(statement).names for statement in kept))
        noted = {n.id for s in kept for n in ast.walk(s) if isinstance(n, ast.Name)}  # annotations, too
        named = {
            name: of
            for name, of in self.imports.items()
            if name in used or (name in noted and of[0].split(".")[0] in sys.stdlib_module_names)
        }
        about = (ast.get_docstring(ast.parse(self.text)) or "").split("\n")[0]
        head = [f'"""{about}"""\n\nfrom __future__ import annotations\n', *_import_lines(named)]
        return "\n".join(head) + "".join(f"\n\n{_as_written(s, lines)}" for s in kept)


@dataclass
class _Uses(ast.NodeVisitor):
    """The names that code looks up when it runs, and the imports inside it."""

    names: set[str] = field(default_factory=set)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)

    @classmethod
    def of(cls, statement: ast.stmt) -> _Uses:
        found = cls()
        found.visit(statement)
        return found

    def visit_Name(self, node: ast.Name) -> None:
        self.names.add(node.id)

    def visit_Import(self, node: ast.Import) -> None:
        self.imports.append(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.append(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        args = node.args
        for part in (*node.decorator_list, *args.defaults, *filter(None, args.kw_defaults), *node.body):
            self.visit(part)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)


def _imported(node: ast.stmt) -> Mapping[str, Definition]:
    if isinstance(node, ast.ImportFrom):
        assert node.module is not None, "a relative import"
        return {a.asname or a.name: _from(node.module, a.name) for a in node.names if node.module != "__future__"}
    assert isinstance(node, ast.Import)
    return {(a.asname or a.name).split(".")[0]: (a.name if a.asname else a.name.split(".")[0], "") for a in node.names}


def _from(module: str, name: str) -> Definition:
    inner = f"{module}.{name}"
    ours = module.split(".")[0] == _OURS
    assert not (ours and _path(inner)), f"{inner} is imported as a whole: import what is used of it"
    return module, name


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds at the top of its module."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Import):
            yield from _imported(node)


def _for_types_alone(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)


def _import_lines(named: Mapping[str, Definition]) -> Iterator[str]:
    """Yield the lines that import these names, each from where it is defined."""
    for name, (module, there) in sorted(named.items()):
        if there == "":
            yield f"import {module}" + (f" as {name}" if name != module else "") + "\n"
            continue
        home, own = _defined(module, there) if module.split(".")[0] == _OURS else (module, there)
        home = _renamed(home) if home.split(".")[0] == _OURS else home
        yield f"from {home} import {own}" + (f" as {name}" if name != own else "") + "\n"


def _as_written(statement: ast.stmt, lines: Sequence[str]) -> str:
    """Return a statement as it stands in its file, with the comments above it; modules of rung by their names in the copy."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(d.lineno for d in decorators)]) - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    own = list(lines[first : statement.end_lineno])
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == _OURS:
            indent = " " * node.col_offset
            made = [f"{indent}{line}" for line in _import_lines(_imported(node))]
            _replace(own, node.lineno - 1 - first, (node.end_lineno or node.lineno) - first, "".join(made))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _names_a_module(node.value):
            at = node.lineno - 1 - first
            own[at] = own[at].replace(f'"{node.value}"', f'"{_renamed(node.value)}"')
    return "".join(own)


def _replace(lines: list[str], start: int, end: int, text: str) -> None:
    lines[start] = text
    lines[start + 1 : end] = [""] * (end - start - 1)


def _names_a_module(text: str) -> bool:
    return text.startswith(f"{_OURS}.") and text.replace(".", "").isidentifier() and _path(text) is not None

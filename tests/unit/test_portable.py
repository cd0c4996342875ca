"""The package imports where there is no POSIX: on Windows, `fcntl`, `termios`, `pwd` and their like do not exist."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rung

PACKAGE = Path(rung.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = ("fcntl", "termios", "tty", "pty", "resource", "pwd", "grp", "syslog", "posix", "readline", "curses")
NAMES = {
    "os": "pread pwrite preadv fork getuid geteuid getgid setsid killpg chown fchmod mkfifo nice sysconf statvfs uname wait "
    "sched_getaffinity sched_setaffinity getloadavg O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_CLOEXEC O_SYNC".split(),
    "signal": "SIGKILL SIGHUP SIGALRM SIGUSR1 SIGUSR2 SIGPIPE SIGCHLD alarm setitimer pause sigwait".split(),
    "time": ["tzset", "clock_gettime"],
}


def guarded(tree: ast.AST) -> set[ast.AST]:
    """Return what stands in a `try` that answers a missing module or name."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            caught = " ".join(ast.unparse(h.type) for h in node.handlers if h.type)
            if any(name in caught for name in ("ImportError", "ModuleNotFoundError", "AttributeError")):
                found.update(inner for statement in node.body for inner in ast.walk(statement))
    return found


def posix_only(source: str) -> list[str]:
    """Return what a source uses that Windows lacks, and does not look for first."""
    tree = ast.parse(source)
    safe = guarded(tree)
    found = []
    for node in ast.walk(tree):
        if node in safe:
            continue
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name in MODULES]
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            found.append(node.module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home, name = node.value.id, node.attr
            if name in NAMES.get(home, ()) and f'hasattr({home}, "{name}")' not in source:
                found.append(f"{home}.{name}")
    return found


@pytest.mark.slow
def test_no_module_needs_posix():
    assert {file: found for file in FILES if (found := posix_only(file.read_text()))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["fcntl"]),
        ("from pwd import getpwnam", ["pwd"]),
        ("import os\nos.pread(1, 1, 0)", ["os.pread"]),
        ("import signal\nsignal.SIGKILL", ["signal.SIGKILL"]),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ('import os\nn = os.nice(0) if hasattr(os, "nice") else 0', []),
    ],
)
def test_the_search_finds_what_it_should(source, found):
    assert posix_only(source) == found


@pytest.mark.slow
def test_every_module_of_the_core_imports_without_posix_modules():
    """The optional packages are held back too: their modules are read above, and are slow to import."""
    code = f"""
import builtins, importlib, os, pkgutil, sys
import rung
plain = builtins.__import__
for name in {list(NAMES["os"])!r}:
    if name not in ("fork", "sysconf", "uname", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_DIRECTORY"):  # others use these
        vars(os).pop(name, None)
extras = set("torch transformers llguidance tokenizers safetensors peft trl datasets accelerate gepa sacrebleu sqlglot pyarrow openpyxl "
             "pypdf docx lxml tinycss2 cssselect lancedb sentence_transformers pandas pytest hypothesis".split())
def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    top = name.split(".")[0]
    if level == 0 and (globals or {{}}).get("__name__", "").split(".")[0] == "rung" and top in {MODULES!r} + tuple(extras):
        raise ModuleNotFoundError(f"No module named {{top!r}}", name=top)
    return plain(name, globals, locals, fromlist, level)
builtins.__import__ = guarded
count = 0
for module in pkgutil.walk_packages(rung.__path__, "rung.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
        count += 1
    except ModuleNotFoundError as error:
        if error.name not in extras:
            print(module.name, error)
print(count > 150 or count)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("True\n", 0), ended.stderr

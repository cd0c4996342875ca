"""A type checker sees the public face as it is: functions and their arguments, not Any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rung

pytestmark = pytest.mark.extra
CONFIG = str(Path(__file__).parents[2] / "pyproject.toml")


def test_mypy_sees_functions_not_any(tmp_path):
    (tmp_path / "seen.py").write_text(
        "import rung\nreveal_type(rung.climb)\nreveal_type(rung.load_run('x').frame())\n"
        "rung.OpenAI('m', temprature=1.0)\nrung.climb([], gaol=1.0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", CONFIG, "--follow-imports=silent", "seen.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(Path(rung.__file__).parents[1])},
    )  # fmt: skip
    assert (
        'Revealed type is "Overload(def (rows: Any, folder: str | pathlib.Path | None =, *, dev: Literal[False] =, '
        "progress: rung.progress.Progress | bool | None =," in done.stdout
    ), done.stdout
    assert "-> rung.run.DevRun" in done.stdout
    assert "'inputs'?: str | typing.Sequence[str]" in done.stdout
    assert 'Revealed type is "rung.run.Table"' in done.stdout
    assert 'Unexpected keyword argument "temprature" for "OpenAI"' in done.stdout
    assert 'Unexpected keyword argument "gaol" for overloaded function "climb"' in done.stdout

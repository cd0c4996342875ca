"""Draw mutants of the code that decides by seed, and count those that the tests notice.

    python -m bench.mutation [--seed 7] [--sample 400] [--only PREFIX] [--survivors] [--children 1]

Mutants are made and run by mutmut, each against the tests that reach its function. The sample comes from all mutants, those
included that no test reaches. Results are written beside this file, one entry a mutant; what lives, and why, is told in
docs/log.md. `--only rung.decide` runs a part of the sample, `--survivors` what the last results left alive; both keep the
other results. A mutant that waits for ever ends after five times what its tests take.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
SUBJECTS = [
    "src/rung/stats/*.py",
    "src/rung/decide/*.py",
    "src/rung/store/*.py",
    *(f"src/rung/evaluate/{name}.py" for name in ("answering", "asking", "measure", "evaluator", "kit", "profile")),
]
UNFIT = [  # they look at the sources or at all methods of an object, and see mutants that are not switched on
    "tests/unit/test_sealed.py::test_a_sealed_test_offers_reading_and_revealing_alone",
    "tests/unit/test_sealed.py::test_the_listed_holders_alone_import_the_door",
]
TESTS = [  # those of the subjects; whole climbs are few, as a survivor pays for every test that reaches it
    *("tests/unit/test_stats_*.py", "tests/unit/test_ranking.py", "tests/unit/test_compare.py"),
    *("tests/unit/test_verdict*.py", "tests/unit/test_matrix.py", "tests/unit/test_economics.py"),
    *(
        "tests/unit/test_across.py",
        "tests/unit/test_advise.py",
        "tests/unit/test_remedies.py",
        "tests/unit/test_doors.py",
    ),
    *("tests/unit/test_folder.py", "tests/unit/test_ledger.py", "tests/unit/test_store_layout.py"),
    *("tests/unit/test_answering.py", "tests/unit/test_measure.py", "tests/unit/test_budget.py"),
    *("tests/unit/test_metrics_judge.py", "tests/unit/test_consistency.py", "tests/unit/test_climb.py"),
    *("tests/unit/test_evaluator.py", "tests/unit/test_sealed.py", "tests/unit/test_verify.py"),
    *("tests/unit/test_tuning_rows.py", "tests/unit/test_knowledge_split.py", "tests/unit/test_run_kit.py"),
    *("tests/unit/test_tuned_store.py", "tests/unit/test_profile.py"),
]
COPIED = ["src", "tests", "bench", "docs", "pyproject.toml", "setup.py"]
KILLED = ("killed", "timeout", "segfault", "suspicious")


def mutants(folder: Path) -> dict[str, str]:
    """Make the mutants of the subjects in the prepared folder; return name and file of each."""
    made = "from mutmut import __main__ as m; m.copy_src_dir(); m.copy_also_copy_files(); m.create_mutants(1)"
    subprocess.run([sys.executable, "-c", made], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return {
        name: file
        for pattern in SUBJECTS
        for path in folder.glob(pattern)
        for file in [str(path.relative_to(folder))]
        for name in exit_codes(folder, file)
    }


def exit_codes(folder: Path, file: str) -> dict[str, int | None]:
    """Return what mutmut noted for each mutant of a source file; None: not run yet."""
    noted = json.loads((folder / "mutants" / f"{file}.meta").read_text(encoding="utf-8"))
    return dict(noted["exit_code_by_key"])


def draw(found: dict[str, str], sample: int, seed: int) -> dict[str, str]:
    """Return the sample, name to file; a change of one file leaves the draw from the others as it was."""
    drawn = sorted(found, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())[:sample]
    return {name: found[name] for name in drawn}


def configuration() -> str:
    tests = sorted(str(path.relative_to(ROOT)) for pattern in TESTS for path in ROOT.glob(pattern))
    values = {
        "source_paths": ["src"],
        "only_mutate": SUBJECTS,
        "also_copy": [name for name in COPIED if name != "src"],
        "pytest_add_cli_args_test_selection": tests,
        "pytest_add_cli_args": [
            *("-m", "not slow and not extra and not real", "--whole-sweeps"),
            "--hypothesis-profile=mutants",
            *("-p", "bench.mutation.quickest_first", "-p", "no:cacheprovider"),
            *(f"--deselect={test}" for test in UNFIT),
        ],
        "use_git_change_detection": False,
        "timeout_constant": 3.0,
        "timeout_multiplier": 5.0,
    }
    return "\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def prepare(folder: Path) -> None:
    """Copy the working tree into the folder and write the configuration there."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "results", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, folder / name)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(configuration())


def run(folder: Path, names: list[str], children: int) -> float:
    """Run the mutants in the folder; return the CPU-seconds of all processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sources = [str(folder / "mutants" / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", "run"]
    command += ["--max-children", str(children), *names]
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:
        raise SystemExit("mutmut stopped: see what it wrote above")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def statuses(folder: Path, sample: dict[str, str]) -> dict[str, str]:
    codes = {name: code for file in set(sample.values()) for name, code in exit_codes(folder, file).items()}
    return {name: status_by_exit_code[codes[name]] for name in sample}


def table(results: list[dict[str, str]]) -> str:
    lines = [
        "| folder | mutants | killed | timeout | survived | no tests | killed, % |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    folders = sorted({Path(r["file"]).parent.name for r in results})
    for folder in [*folders, "all"]:
        counts = Counter(r["status"] for r in results if folder in ("all", Path(r["file"]).parent.name))
        dead = sum(counts[status] for status in KILLED)
        cells = [counts.total(), dead - counts["timeout"], counts["timeout"], counts["survived"], counts["no tests"]]
        lines.append(f"| {folder} | {' | '.join(map(str, cells))} | {100 * dead / counts.total():.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the mutants that the tests notice.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--only", default="", metavar="PREFIX", help="run only mutants whose name begins so")
    parser.add_argument("--survivors", action="store_true", help="run only what the last results left alive")
    parser.add_argument("--children", type=int, default=1, help="mutants that run at once")
    chosen = parser.parse_args()
    path = RESULTS / f"seed-{chosen.seed}-sample-{chosen.sample}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cpu_s": 0.0, "mutants": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        prepare(folder)
        sample = draw(mutants(folder), chosen.sample, chosen.seed)
        known = {r["name"]: r["status"] for r in kept["mutants"] if r["name"] in sample}
        names = sorted(name for name in sample if name.startswith(chosen.only))
        if chosen.survivors:
            names = [name for name in names if known.get(name) not in KILLED]
        cpu_s = run(folder, names, chosen.children) if names else 0.0
        known |= statuses(folder, {name: sample[name] for name in names})
    results = [{"name": name, "file": sample[name], "status": known[name]} for name in sorted(known)]
    page = {"cpu_s": round(kept["cpu_s"] + cpu_s), "mutants": results}
    path.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(results), end="")
    print(f"{cpu_s:.0f} CPU-seconds, {page['cpu_s']} in all")


if __name__ == "__main__":
    main()

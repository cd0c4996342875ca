"""What the core is made of: locked as constrained, complete for every system, under licences that we know, told in a bill."""

import hashlib
import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from zipfile import ZipFile

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from supply.bill import ALLOWED, bill, licence_in, licence_of, parts_of
from supply.lock import HEAD, LOCK, ROOT, Locked, environments, locked, read, serves

PACKAGES = {p.name: p for p in read()}
CORE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def held(marker, environment):
    return marker is None or marker.evaluate({**environment, "extra": ""})


def needed(environment):
    """Return the names of all packages that the core needs in an environment, by the metadata of those installed here."""
    found, waiting = set(), [Requirement(text) for text in CORE]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found or not held(wanted.marker, environment):
            continue
        found.add(name)
        try:
            waiting += [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:  # needed on another system alone
            assert wanted.marker is not None, name
    return found


@pytest.mark.parametrize(
    "environment", tuple(environments()), ids=lambda e: f"{e['sys_platform']}-{e['python_version']}"
)
def test_the_lock_holds_just_what_the_core_needs(environment):
    there = {p.name for p in PACKAGES.values() if not p.marker or Marker(p.marker).evaluate(dict(environment))}
    assert there == needed(environment)


def test_the_lock_follows_the_constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    assert {name: pinned.get(name) for name in PACKAGES} == {name: p.version for name, p in PACKAGES.items()}, (
        "write it anew: make lock"
    )


def test_the_lock_is_hashes_of_wheels_and_nothing_else():
    text = LOCK.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert "--only-binary :all:" in HEAD
    assert text == HEAD + "".join(f"{p}\n" for p in PACKAGES.values())
    assert "://" not in text  # no index is named: pip asks the one it is set up with
    for package in PACKAGES.values():
        assert package.sha256, package.name
        assert all(re.fullmatch(r"[0-9a-f]{64}", h) for h in package.sha256)
    assert sum(len(p.sha256) for p in PACKAGES.values()) > 300  # several systems


def test_versions_of_the_lock_lie_within_what_the_package_asks_for():
    for text in CORE:
        wanted = Requirement(text)
        assert wanted.specifier.contains(PACKAGES[canonicalize_name(wanted.name)].version), text


@pytest.mark.parametrize(
    ("tag", "kept"),
    [
        ("py3-none-any", True), ("py2.py3-none-any", True), ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp313-cp313-macosx_11_0_arm64", True), ("cp39-abi3-win_amd64", True), ("cp312-cp312-musllinux_1_2_aarch64", True),
        ("cp310-cp310-win_amd64", False), ("cp314-cp314-win_amd64", False), ("cp313-cp313t-win_amd64", False), ("cp314-abi3-win_amd64", False),
        ("pp311-pypy311_pp73-win_amd64", False), ("cp312-cp312-manylinux_2_17_s390x", False), ("cp312-cp312-pyodide_2024_0_wasm32", False),
        ("cp312-cp312-ios_13_0_arm64_iphoneos", False), ("py2-none-any", False),
    ],
)  # fmt: skip
def test_wheels_of_served_pythons_and_systems_are_kept(tag, kept):
    assert any(serves(t) for t in parse_tag(tag)) is kept


def wheel(name, sha256, marker=""):
    entry = {
        "name": name.partition("-")[0],
        "version": "1.0",
        "wheels": [{"url": f"x/{name}.whl", "hashes": {"sha256": sha256}}],
    }
    return entry | ({"marker": marker} if marker else {})


def test_packages_of_other_systems_are_left_out_and_markers_that_say_nothing_too():
    packages = [
        wheel("a-1.0-py3-none-any", "1", "sys_platform != 'emscripten'"),
        wheel("b-1.0-py3-none-any", "2", "sys_platform == 'emscripten'"),
        wheel("c-1.0-py3-none-any", "3", "sys_platform == 'win32'"),
    ]
    assert list(locked({"packages": packages})) == [
        Locked("a", "1.0", "", ("1",)),
        Locked("c", "1.0", "sys_platform == 'win32'", ("3",)),
    ]


def test_a_package_without_a_wheel_is_refused():
    with pytest.raises(ValueError, match=r"a 1\.0 has no wheel"):
        list(locked({"packages": [wheel("a-1.0-cp27-cp27m-win32", "1")]}))


@pytest.mark.parametrize("name", tuple(PACKAGES))
def test_every_licence_is_one_that_we_know(name):
    try:
        licence = licence_of(name)
    except PackageNotFoundError:
        assert PACKAGES[name].marker, f"{name} is needed here and not installed"
        pytest.skip(f"{name} is needed on another system")
    assert licence is not None
    assert parts_of(licence) <= ALLOWED, licence


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"License-Expression": "MIT OR GPL-3.0-only"}, "MIT OR GPL-3.0-only"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD-3-Clause"),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"},
         "LicenseRef-GNU Affero General Public License v3"),
        ({"License": "mine"}, "mine"),
        ({}, None),
    ],
)  # fmt: skip
def test_a_licence_is_read_from_the_metadata_and_never_guessed(fields, found):
    from email.message import Message

    about = Message()
    for name, value in fields.items():
        about[name] = value
    assert licence_in(about) == found
    assert found is None or (parts_of(found) <= ALLOWED) is (found == "BSD-3-Clause")


@pytest.fixture
def built(tmp_path):
    path = tmp_path / "rung-9.9-py3-none-any.whl"
    lines = ["Metadata-Version: 2.4", "Name: rung", "Version: 9.9", "License-Expression: Apache-2.0"]
    lines += [f"Requires-Dist: {text}" for text in CORE] + ['Requires-Dist: torch>=2.6; extra == "local"', "", ""]
    with ZipFile(path, "w") as archive:
        archive.writestr("rung-9.9.dist-info/METADATA", "\n".join(lines))
    return path


def test_the_bill_names_every_package_with_its_hashes_and_who_needs_it(built):
    found = bill(built, tuple(PACKAGES.values()))
    assert found == bill(built, tuple(PACKAGES.values()))
    own = found["metadata"]["component"]
    assert (own["purl"], own["licenses"]) == ("pkg:pypi/rung@9.9", [{"expression": "Apache-2.0"}])
    assert own["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(built.read_bytes()).hexdigest()}]
    refs = {c["bom-ref"] for c in found["components"]}
    assert refs == {f"pkg:pypi/{p.name}@{p.version}" for p in PACKAGES.values()}
    for component in found["components"]:
        locked_one = PACKAGES[component["name"]]
        assert tuple(h["content"] for h in component["hashes"]) == locked_one.sha256
        assert locked_one.marker or component["licenses"], component["name"]
    needs = {entry["ref"]: entry["dependsOn"] for entry in found["dependencies"]}
    assert set(needs) == {*refs, own["bom-ref"]}
    assert {r.rpartition("/")[2].partition("@")[0] for r in needs[own["bom-ref"]]} == {
        canonicalize_name(Requirement(t).name) for t in CORE
    }
    reached, waiting = set(), [own["bom-ref"]]
    while waiting:
        if (ref := waiting.pop()) not in reached:
            reached.add(ref)
            waiting += needs[ref]
    assert {r for r in refs - reached if not PACKAGES[r.rpartition("/")[2].partition("@")[0]].marker} == set()

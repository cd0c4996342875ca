"""Write the core's bill of materials as CycloneDX 1.6: what a built wheel brings with it, by version, licence and hash.

    python -m supply.bill dist/rung-0.1.0-py3-none-any.whl     # or: make sbom

Versions and hashes come from requirements-core.lock, licences and who needs whom from the metadata of the packages as they are
installed beside this script. Equal builds give equal bills: no clock and no chance is in it. The format: ECMA-424.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply.lock import LOCK, Locked, read

ALLOWED = frozenset(  # none of them asks anything of who uses or passes on rung, but to keep their notices
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "PSF-2.0", "Zlib"}
)
_CLASSIFIED = {  # what classifiers stand for, where a package has no licence expression
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
}


def licence_in(about: Message) -> str | None:
    """Return the licence that a package's metadata names, as an SPDX expression; None where it names none that is known."""
    if expression := about.get("License-Expression"):
        return str(expression)
    named = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier", ()) if c.startswith("License :: ")]
    if named:
        return " AND ".join(_CLASSIFIED.get(name, f"LicenseRef-{name}") for name in named)
    return about.get("License") or None


def licence_of(name: str) -> str | None:
    """Return the licence of an installed package. Raises PackageNotFoundError."""
    return licence_in(metadata(name))  # type: ignore[arg-type]


def parts_of(expression: str) -> frozenset[str]:
    """Return the licences that an SPDX expression names."""
    return frozenset(re.split(r"\s+(?:AND|OR)\s+|[()]", expression)) - {""}


def needed_by(wanted: list[str], known: dict[str, str]) -> Iterator[str]:
    """Yield references of the packages that a list of requirements names, in order; extras and what is not locked are left out."""
    for text in wanted:
        requirement = Requirement(text)
        outside = requirement.marker is not None and "extra" in str(requirement.marker)
        name = canonicalize_name(requirement.name)
        if not outside and name in known:
            yield known[name]


def bill(wheel: Path, packages: tuple[Locked, ...]) -> dict[str, Any]:
    """Return the bill of a built wheel."""
    with ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        about = message_from_string(archive.read(name).decode("utf-8"))
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    own = _component(about["Name"], about["Version"], licence_in(about), (sha256,)) | {"type": "application"}
    refs = {p.name: _ref(p.name, p.version) for p in packages}
    components, edges = [], {own["bom-ref"]: list(needed_by(about.get_all("Requires-Dist", []), refs))}
    for package in packages:
        try:
            licence, wanted = licence_of(package.name), requires(package.name) or []
        except PackageNotFoundError:  # needed on another system
            licence, wanted = None, []
        components.append(_component(package.name, package.version, licence, package.sha256))
        edges[refs[package.name]] = list(needed_by(wanted, refs))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, sha256 + hashlib.sha256(repr(packages).encode()).hexdigest())}",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": own},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(on))} for ref, on in edges.items()],
    }


def _ref(name: str, version: str) -> str:
    return f"pkg:pypi/{canonicalize_name(name)}@{version}"


def _component(name: str, version: str, licence: str | None, sha256: tuple[str, ...]) -> dict[str, Any]:
    told = {"licenses": [{"expression": licence}]} if licence else {}
    hashes = [{"alg": "SHA-256", "content": content} for content in sha256]
    ref = _ref(name, version)
    return {"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref, **told, "hashes": hashes}


def main() -> None:
    wheel = Path(sys.argv[1])
    out = wheel.with_name("-".join(wheel.name.split("-")[:2]) + ".cdx.json")
    found = bill(wheel, read(LOCK))
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{out}: {len(found['components'])} components")


if __name__ == "__main__":
    main()

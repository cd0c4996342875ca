"""What the built package says about itself: complete, and without an address that nobody gave."""

import shutil
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel(sys.argv[1]))"


@pytest.fixture
def metadata(tmp_path):
    """Build the metadata from a copy of the files that it is made of."""
    copy = tmp_path / "copy"
    (copy / "src" / "rung").mkdir(parents=True)
    (copy / "src" / "rung" / "__init__.py").touch()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)

    def build(**variables):
        words = [sys.executable, "-c", BUILD, str(tmp_path)]
        ended = subprocess.run(
            words, cwd=copy, env={"PATH": "", **variables}, capture_output=True, text=True, check=True
        )
        return message_from_bytes((tmp_path / ended.stdout.split()[-1] / "METADATA").read_bytes())

    return build


@pytest.mark.slow
def test_the_metadata_is_complete_and_names_no_address_of_its_own(metadata):
    found = metadata()
    assert (found["Name"], found["License-Expression"], found["License-File"]) == ("rung", "Apache-2.0", "LICENSE")
    assert found["Author"] == "The rung project"
    assert found["Description-Content-Type"] == "text/markdown"
    assert found.get_payload().startswith("# rung")
    assert {"llm", "fine-tuning", "evaluation"} <= set(found["Keywords"].split(","))
    assert "Typing :: Typed" in found.get_all("Classifier")
    assert not any(c.startswith("License ::") for c in found.get_all("Classifier"))  # the expression says it
    assert found.get_all("Project-URL") is None
    assert found["Author-email"] is None


@pytest.mark.slow
def test_addresses_come_from_variables(metadata):
    found = metadata(
        RUNG_URL_SOURCE="https://example.org/src", RUNG_URL_ISSUES="", RUNG_URL_SECURITY="mailto:a@example.org"
    )
    assert found.get_all("Project-URL") == [
        "Source, https://example.org/src",
        "Report a vulnerability, mailto:a@example.org",  # as SECURITY.md calls it
    ]


def test_both_distributions_take_their_addresses_alike():
    """Each needs a file of its own, since each is built from a source archive of its own: the two are one text."""
    assert (ROOT / "setup.py").read_bytes() == (ROOT / "packages" / "rung-nano" / "setup.py").read_bytes()

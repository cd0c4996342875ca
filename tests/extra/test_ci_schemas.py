"""The action and its example are valid by the schemas that check-jsonschema brings."""

import subprocess
import sys

import pytest

from tests.unit.test_ci_action import ACTION, WORKFLOW

pytestmark = pytest.mark.extra
pytest.importorskip("check_jsonschema", reason="needs rung[dev]")


@pytest.mark.parametrize(("schema", "file"), [("vendor.github-actions", ACTION), ("vendor.github-workflows", WORKFLOW)])
def test_both_are_valid_by_the_published_schemas(schema, file):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_step_without_a_shell_is_none(tmp_path):
    broken = tmp_path / "action.yml"
    broken.write_text(ACTION.read_text().replace("      shell: bash\n", "", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", str(broken)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1

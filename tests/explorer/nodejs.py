"""Runs the page's scripts under Node, without a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "tinycnn" / "explorer"
NODE = shutil.which("node") or shutil.which("nodejs")
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed: `node` is missing")


def run(task, given):
    """The `output` of a task, a file in this folder, for the `input` that it is given."""
    command = [NODE, HERE / "scripts.js", FOLDER, HERE / task]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

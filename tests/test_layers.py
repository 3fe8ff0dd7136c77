"""The layers of the design hold (the contracts are in pyproject.toml)."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def test_layers_hold():
    """In a process of its own: the linter turns off every logger of the one that it runs in."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "store")])}
    linted = subprocess.run(
        [sys.executable, "-c", LINT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr

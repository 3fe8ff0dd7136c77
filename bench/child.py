"""A measurement in a process of its own, with a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.database import database

ROOT = Path(__file__).resolve().parent.parent


def in_child(function: Callable[[], Any], vendor: str) -> Any:
    """Call a module's function in a fresh process, with Django and empty tables; give what it returned."""
    place = f"{function.__module__}:{function.__name__}"
    with database(vendor) as environment:
        command = [sys.executable, "-m", "bench.child", place]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{place} on {vendor} ended with exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main(place: str) -> None:
    import django
    from django.core.management import call_command
    from django.utils.module_loading import import_string

    django.setup()
    call_command("migrate", verbosity=0)
    result = import_string(place.replace(":", "."))()

    from retinue.runtime.loop.engine import close_engine

    close_engine()
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

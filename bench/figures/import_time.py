"""What Retinue adds to the start of a Django project that has it, before any agent is used."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from bench.child import ROOT
from bench.figure import Figure, say

ROUNDS = 15
START = """
import sys, time
before = time.perf_counter()
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *sys.argv[1:]],
)
django.setup()
for name in sys.argv[1:]:
    __import__(name)
print((time.perf_counter() - before) * 1000)
assert "pydantic_ai" not in sys.modules, "pydantic-ai was imported"
"""


def milliseconds(*apps: str) -> float:
    command = [sys.executable, "-c", START, *apps]
    return float(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)


def added() -> float:
    milliseconds("retinue")  # bytecode is written once
    pairs = [(milliseconds(), milliseconds("retinue")) for _ in range(ROUNDS)]
    say(f"Django alone {median(alone for alone, _ in pairs):.0f} ms")
    return median(with_retinue - alone for alone, with_retinue in pairs)


FIGURES = [Figure(name="import_retinue_ms", unit="ms", digits=0, measure=added)]

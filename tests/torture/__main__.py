"""python -m tests.torture --kills N [--database sqlite|postgresql|both] [--seed S]"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NoReturn

from tests import servers

DATABASES = ("sqlite", "postgresql")
SHOWN = 40
"""How many sentences of each kind, and lines of the workers' log, are printed when something is wrong."""


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many workers die, on all databases together")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--seed", type=int, default=None, help="for the dice; printed, so that it can be given again")
    options = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if options.seed is None else options.seed
    if options.database == "both":
        sys.exit(torture_both(options.kills, seed))
    sys.exit(torture(options.database, options.kills, seed))


def torture_both(kills: int, seed: int) -> int:
    """Each database in a process of its own: Django's settings name one."""
    totals: Counter[str] = Counter()
    failed = False
    for database in DATABASES:
        command = [sys.executable, "-m", "tests.torture", "--database", database, "--seed", str(seed)]
        process = subprocess.Popen([*command, "--kills", str(-(-kills // 2))], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        counted = False
        for line in process.stdout:
            if re.fullmatch(r"(lost|overspent|missed) \d+( [a-z]+ \d+)+\n", line):
                counted = line.startswith("lost")
                totals.update({name: int(count) for name, count in re.findall(r"([a-z]+) (\d+)", line)})
            else:
                print(line, end="", flush=True)
        failed |= process.wait() != 0
        if not counted:
            print(f"{database}: the torture broke down")
            totals["lost"] += 1
    for names in (("missed", "repeated", "differing"), ("overspent", "held"), ("lost", "doubled", "reasked")):
        print(*(f"{name} {totals[name]}" for name in names))
    return int(failed)


def torture(database: str, kills: int, seed: int) -> int:
    os.environ["RETINUE_TEST_DATABASE"] = database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connection

    from retinue.agents.registry import registered
    from tests.processes.nursery import Nursery
    from tests.torture import agents
    from tests.torture.tormentor import Tormentor

    print(f"{database}: seed {seed}", flush=True)
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    folder = Path(tempfile.mkdtemp(prefix="torture-", dir=servers.folder()))
    nursery = Nursery(agents.__name__, environment=servers.environment(connection))
    try:
        user = get_user_model().objects.create_user("ada")
        tormentor = Tormentor(nursery, folder, user, random.Random(seed))
        with registered(*agents.AGENTS):
            tormentor.run(kills, lambda line: print(f"{database}: {line}", flush=True))
            report = tormentor.report()
    finally:
        nursery.close()
        connection.creation.destroy_test_db(name, verbosity=0)
    for kind, sentences in vars(report).items():
        for sentence in sentences[:SHOWN]:
            print(f"{database}: {kind}: {sentence}")
    if not report.is_clean:
        print(*(folder / "workers.log").read_text().splitlines()[-SHOWN:], sep="\n")
    print(f"{database}: {tormentor.tally}")
    print(report.streams)
    print(report.money)
    print(report, flush=True)
    servers.stop()
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    main()

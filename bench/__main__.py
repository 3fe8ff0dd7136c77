"""Measure the figures that are named, or all: print one line for each, and write them to bench/out.json."""

from __future__ import annotations

import argparse
import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench.figures import FIGURES
from tests import servers

OUT = Path(__file__).resolve().parent / "out.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help="default: all. Known: " + ", ".join(FIGURES))
    names = parser.parse_args().figures or list(FIGURES)
    for name in names:
        if name not in FIGURES:
            near = get_close_matches(name, FIGURES, 1)
            parser.error(f"there is no figure {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    measured: dict[str, dict[str, Any]] = {}
    for name in names:
        figure = FIGURES[name]
        try:
            value = round(figure.measure(), figure.digits)
        except Exception as error:  # the other figures are worth having all the same
            print(f"{name} failed: {error}", file=sys.stderr)
            continue
        print(f"{name} {value:.{figure.digits}f} {figure.unit}", flush=True)
        measured[name] = {"value": value, "unit": figure.unit}
        OUT.write_text(json.dumps(measured, indent=2) + "\n")
    servers.stop()
    return 0 if len(measured) == len(set(names)) else 1


if __name__ == "__main__":
    sys.exit(main())

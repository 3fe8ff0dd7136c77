"""What can be measured of how a page looks and can be used."""

from __future__ import annotations

import json
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

from tests.e2e.browsing import Remote

TOO_WIDE = """
() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > width + 0.5)
        .map((element) => element.outerHTML.slice(0, 120));
}
"""


def too_wide(page: Remote) -> list[str]:
    """The elements that make a page scroll sideways; none where it does not."""
    found: list[str] = page.evaluate(TOO_WIDE)
    return found


def faults(page: Remote) -> list[str]:
    """What axe-core finds that is serious or critical: rule, and the elements."""
    page.evaluate(AXE_SCRIPT)
    results: dict[str, Any] = page.evaluate(f"axe.run({json.dumps({'resultTypes': ['violations']})})")
    return [
        f"{fault['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for fault in results["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]

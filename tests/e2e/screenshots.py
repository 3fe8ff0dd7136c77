"""The pictures of the docs: `make screenshots`.

Each is written to docs/images/assistant-<what>-<size>-<scheme>.png.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e import gallery
from tests.e2e.browsing import expect
from tests.e2e.visitor import DESKTOP, PHONE

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
COLOURS = 128
"""Enough for text; the files stay small."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_take_screenshots(site, visit, person, size, scheme):
    session = gallery.hang(site, person)
    visitor = visit(person, size=size, dark=scheme == "dark")

    def take(what):
        suffix = f"{'phone' if size == PHONE else 'desktop'}-{scheme}"
        shot = Image.open(BytesIO(visitor.page.screenshot(animations="disabled")))
        shot.convert("RGB").quantize(COLOURS).save(IMAGES / f"assistant-{what}-{suffix}.png", optimize=True)

    visitor.open("/ai/")
    take("dashboard")
    visitor.open(f"/ai/session/{session.pk}/")
    expect(visitor.turn()["approval"]).to_be_visible()
    take("approval")
    visitor.turn(1).evaluate("turn => turn.scrollIntoView()")
    take("session")
    visitor.open("/ai/history/")
    take("history")

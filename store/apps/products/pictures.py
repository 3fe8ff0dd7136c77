"""Drawings that stand for categories, one SVG file each."""

from __future__ import annotations

from pathlib import Path

FOLDER = "products/categories"
_DRAWN = frozenset(path.stem for path in (Path(__file__).parent / "static" / FOLDER).glob("*.svg"))


def picture_path(slug: str) -> str:
    """The static path of a category's drawing; one of a parcel for those that have none."""
    return f"{FOLDER}/{slug if slug in _DRAWN else 'other'}.svg"

"""The table in docs/settings.md, made from the source of `retinue.conf`.

`python -m tests.docs.settings_table` writes it anew.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import MISSING, fields

from retinue.conf import Settings
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def table() -> str:
    """A row for each key: its type, its default and what its docstring says."""
    (definition,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(definition, ast.ClassDef)
    said: dict[str, tuple[str, str]] = {}
    for attribute, docstring in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
            assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant), attribute.target.id
            said[attribute.target.id] = ast.unparse(attribute.annotation), str(docstring.value.value)
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for field in fields(Settings):
        kind, meaning = said[field.name]
        default = field.default if field.default_factory is MISSING else field.default_factory()
        sentence = " ".join(meaning.split()).replace("|", r"\|")
        cells = [f"`{field.name.upper()}`", _code(kind), _code(repr(default)), sentence]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def parts() -> tuple[str, str, str]:
    """The page before, in and after the table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    current, _, after = rest.partition(END)
    return before + BEGIN, current, END + after


if __name__ == "__main__":
    before, _, after = parts()
    PAGE.write_text(f"{before}{table()}{after}")

"""What the pages say beside their snippets: links, tables, commands and options are true."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import DjangoHelpFormatter

from retinue import checks
from retinue.checks import database
from tests.docs import settings_table
from tests.docs.pages import COMMANDS, PAGES, README, ROOT, blocks, section

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
OWN_COMMANDS = sorted(name for name, app in get_commands().items() if app == "retinue")


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    prose = FENCED.sub("", page.read_text())
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lines_of(language):
    """Every line of the blocks in this language, with a console's prompt taken off."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == language:
                for line in block.body.splitlines():
                    yield block.place, line.removeprefix("$ ").partition("  #")[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        address, _, anchor = link.partition("#")
        if address.startswith("https://"):
            continue
        target = (page.parent / address).resolve() if address else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_index_leads_to_every_page():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= linked


def test_settings_table_is_generated():
    _, current, _ = settings_table.parts()
    assert current == settings_table.table(), "run: python -m tests.docs.settings_table"


def test_sqlite_options_are_those_of_the_check():
    demanded = ast.literal_eval(f"{{{database.SQLITE_OPTIONS}}}")["OPTIONS"]
    (readme,) = [block.body for block in blocks(README) if block.path == "mysite/settings.py"]
    settings = {"INSTALLED_APPS": [], "DATABASES": {"default": {}}}
    exec(readme, settings)  # noqa: S102 (the page itself)
    assert settings["DATABASES"]["default"]["OPTIONS"] == demanded
    (page,) = [block.body for block in blocks(settings_table.PAGE) if "DATABASES" in block.body]
    exec(page, settings)  # noqa: S102
    assert settings["DATABASES"]["default"]["OPTIONS"] == demanded


def test_make_targets_and_their_tests_exist():
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", text))
    assert {"run", "test", "torture", "bench"} <= named <= targets
    for path in re.findall(r"ARGS=(tests/[\w/.]+)", text):
        assert Path(ROOT, path).is_file(), path
    for word in re.findall(r'ARGS="-k (\w+)"', text):
        tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
        assert re.search(rf"def test_\w*{word}", tests), word


@pytest.mark.parametrize(
    ("place", "line"), [found for found in (*lines_of("text"), *lines_of("ini")) if "manage.py" in found[1]]
)
def test_command_line_is_understood(place, line):
    name, *arguments = shlex.split(line.partition("manage.py ")[2])
    assert name in OWN_COMMANDS
    load_command_class("retinue", name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_options_of_a_command_are_listed(name):
    """All of its own, and no other."""
    parser = load_command_class("retinue", name).create_parser("manage.py", name)
    options = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
    options -= {"--help", *DjangoHelpFormatter.show_last}
    listed = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", FENCED.sub("", section(COMMANDS, f"## {name}"))))
    assert listed == options


def test_checks_are_listed():
    """In the commands' page, and where they are made."""
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    made = sorted(set(re.findall(r'"(?:retinue\.)?([EW]\d{3})"', sources)))
    assert sorted(re.findall(r"\b([EW]\d{3})`", section(COMMANDS, "## check"))) == made
    assert sorted(re.findall(r"\bretinue\.([EW]\d{3})\b", checks.__doc__)) == made

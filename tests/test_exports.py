"""The names that the documentation promises, and what it costs to import them."""

import re
import subprocess
import sys
from importlib import import_module

import pytest

import retinue
from retinue import errors
from tests.docs.pages import ROOT, section

INDEX = ROOT / "docs" / "README.md"


def rows(table):
    """The first two cells of each row, without the head."""
    cells = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [(first.strip(), second.strip()) for first, second, *_ in cells[2:]]


def names_section():
    return section(INDEX, "## Names").partition("Elsewhere:")


def test_all_is_what_the_docs_list():
    listed, _, _ = names_section()
    assert [name.strip("`") for name, _ in rows(listed)] == retinue.__all__
    assert set(retinue.__all__) == set(retinue._MODULES)


@pytest.mark.parametrize("name", retinue.__all__)
def test_name_can_be_imported(name):
    assert getattr(retinue, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'retinue' has no attribute 'Agent'"):
        retinue.Agent  # noqa: B018


def test_names_elsewhere_are_there():
    _, _, elsewhere = names_section()
    for module, names in rows(elsewhere):
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module.strip("`")), name), f"{module}: {name}"


def test_errors_are_drawn_as_they_are():
    """The tree in the docs is the one in the module, and that one is true."""
    tree = errors.__doc__.partition("\n\n")[2].partition("\n\n")[0]
    assert tree in (ROOT / "docs" / "running.md").read_text()

    parents = ["Exception"]
    for line in tree.splitlines():
        name = re.search(r"\w+", line)
        depth = (name.start() + 3) // 4
        del parents[depth + 1 :]
        error = getattr(errors, name[0])
        assert parents[-1] in [base.__name__ for base in error.__bases__], name[0]
        parents.append(name[0])
    defined = [name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__]
    assert sorted(re.findall(r"^[ │├└─]*(\w+)", tree, re.MULTILINE)) == sorted(defined)


def test_import_loads_neither_pydantic_ai_nor_models():
    code = (
        "import sys, retinue; "
        "print([name for name in ('pydantic_ai', 'pydantic', 'django.db', 'retinue.models') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_setting_up_a_project_does_not_load_pydantic():
    """`migrate` and plain `check` do not pay for pydantic-ai, and no process pays for models that it may not use."""
    code = (
        "import os, sys, django; from django.core.management import call_command; "
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; "
        "loaded = lambda: [name for name in ('pydantic_ai', 'pydantic', 'pydantic_core') if name in sys.modules]; "
        "django.setup(); print(loaded()); call_command('check', 'retinue'); print('pydantic_ai' in loaded())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert printed.splitlines()[0] == "[]"
    assert printed.splitlines()[-1] == "False"

"""Where the service is, from the settings and the environment."""

import subprocess
import sys

import pytest

from retinue.checks import check_settings
from retinue.errors import ConfigurationError
from retinue.providers.prsm import PRSMClient
from retinue.providers.prsm.settings import PRSMSettings, get_prsm_settings
from retinue.providers.resolve import resolve_model
from tests.docs.pages import section
from tests.docs.settings_table import ROOT

HERE = {"BASE_URL": "https://prsm.example", "API_KEY": "k"}


def test_defaults(settings):
    settings.RETINUE = {}
    assert get_prsm_settings() == PRSMSettings(
        base_url=None, api_key=None, default_timeout=30.0, max_retries=3, cache_ttl=300, dialect="guide"
    )


def test_every_key_is_read(settings):
    settings.RETINUE = {
        "PRSM": {**HERE, "DEFAULT_TIMEOUT": 5, "MAX_RETRIES": 1, "CACHE_TTL": 60, "DIALECT": "node", "COLOUR": "red"}
    }
    assert get_prsm_settings().completed() == PRSMSettings(
        base_url="https://prsm.example", api_key="k", default_timeout=5, max_retries=1, cache_ttl=60, dialect="node"
    )


@pytest.mark.parametrize("given", [{}, {"BASE_URL": "", "API_KEY": None}])
def test_environment_says_what_the_settings_do_not(settings, monkeypatch, given):
    settings.RETINUE = {"PRSM": given}
    monkeypatch.setenv("PRSM_API_URL", " https://other.example/ai/ ")
    monkeypatch.setenv("PRSM_API_KEY", "secret\n")
    found = get_prsm_settings().completed()
    assert (found.base_url, found.api_key) == ("https://other.example/ai", "secret")


def test_settings_come_before_the_environment(settings, monkeypatch):
    settings.RETINUE = {"PRSM": HERE}
    monkeypatch.setenv("PRSM_API_URL", "https://other.example")
    monkeypatch.setenv("PRSM_API_KEY", "secret")
    found = get_prsm_settings().completed()
    assert (found.base_url, found.api_key) == ("https://prsm.example", "k")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"API_KEY": "k"},
            'PRSM needs an address: set RETINUE["PRSM"]["BASE_URL"] or the environment variable PRSM_API_URL.',
        ),
        (
            {"BASE_URL": "https://prsm.example"},
            'PRSM needs a key: set RETINUE["PRSM"]["API_KEY"] or the environment variable PRSM_API_KEY.',
        ),
        *[
            (
                {"BASE_URL": address, "API_KEY": "k"},
                'PRSM\'s address, RETINUE["PRSM"]["BASE_URL"], is none; it begins with https://.',
            )
            for address in ("prsm.example", "ftp://prsm.example", "https://", "https://[prsm", "https://prsm:99999")
        ],
        (
            {"BASE_URL": "https://prsm.example", "API_KEY": "schlüssel"},
            'PRSM\'s key, RETINUE["PRSM"]["API_KEY"], has characters that no key has.',
        ),
    ],
)
def test_what_is_missing_or_unusable_is_named(settings, given, message):
    settings.RETINUE = {"PRSM": given}
    with pytest.raises(ConfigurationError) as caught:
        PRSMClient()
    assert str(caught.value) == message


def test_node_needs_no_key(settings):
    settings.RETINUE = {"PRSM": {"BASE_URL": "http://localhost:8000", "DIALECT": "node"}}
    assert get_prsm_settings().completed().api_key == ""


def test_key_is_not_shown():
    assert "secret" not in repr(PRSMSettings(api_key="secret"))


def test_model_follows_the_settings(settings):
    settings.RETINUE = {"PRSM": HERE}
    first = resolve_model("prsm:default")
    assert (first.system, first.model_name, resolve_model("prsm:default")) == ("prsm", "default", first)
    assert resolve_model("prsm:").model_name == "default"
    assert resolve_model("prsm:gpt2").model_name == "gpt2"
    settings.RETINUE = {"PRSM": {**HERE, "MAX_RETRIES": 0}}
    assert resolve_model("prsm:default") is not first
    settings.RETINUE = {}
    with pytest.raises(ConfigurationError, match="PRSM_API_URL"):
        resolve_model("prsm:default")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (HERE, []),
        (
            {"BASE_URI": "x", "dialect": "node", "COLOUR": 1},
            [
                ("retinue.E001", "RETINUE['PRSM'] has no key 'BASE_URI'.", "Did you mean 'BASE_URL'?"),
                ("retinue.E001", "RETINUE['PRSM'] has no key 'dialect'.", "Did you mean 'DIALECT'?"),
                ("retinue.E001", "RETINUE['PRSM'] has no key 'COLOUR'.", "Remove it."),
            ],
        ),
        (
            {"DIALECT": "server"},
            [("retinue.E003", "RETINUE['PRSM']['DIALECT'] is 'server'.", "Expected: 'guide' or 'node'.")],
        ),
        (
            {"API_KEY": b"secret"},
            [("retinue.E003", "RETINUE['PRSM']['API_KEY'] is not a text.", "Expected: a text or None.")],
        ),
        (
            {"DEFAULT_TIMEOUT": 0, "MAX_RETRIES": -1, "CACHE_TTL": -1},
            [
                ("retinue.E004", "RETINUE['PRSM']['DEFAULT_TIMEOUT'] is 0.", "It must be more than 0."),
                ("retinue.E004", "RETINUE['PRSM']['MAX_RETRIES'] is -1.", "It must be 0 or more."),
                ("retinue.E004", "RETINUE['PRSM']['CACHE_TTL'] is -1.", "It must be 0 or more."),
            ],
        ),
    ],
)
def test_check(settings, given, found):
    settings.RETINUE = {"PRSM": given}
    assert [(message.id, message.msg, message.hint) for message in check_settings()] == found


def test_check_of_something_else(settings):
    settings.RETINUE = {"PRSM": "https://prsm.example"}
    assert [(message.id, message.hint) for message in check_settings()] == [("retinue.E003", "Expected: a dict.")]


def test_every_key_is_on_the_page():
    page = section(ROOT / "docs" / "prsm.md", "## Settings")
    for item, default in vars(PRSMSettings()).items():
        assert f"| `{item.upper()}` | `{default!r}` |" in page


def test_reading_the_settings_loads_no_client():
    code = (
        "import sys, retinue.providers.prsm.settings, retinue.providers.resolve; "
        "print([m for m in ('httpx2', 'pydantic_ai', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_client_loads_no_engine():
    code = "import sys; from retinue.providers.prsm import PRSMClient; print('pydantic_ai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

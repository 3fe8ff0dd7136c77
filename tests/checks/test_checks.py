"""The system checks: what they find, what they say, and what they load."""

import subprocess
import sys
import textwrap
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.db import connections
from django.utils.translation import gettext_lazy

from retinue import DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.checks import check_agents, check_offline_model, check_settings, check_sqlite
from tests import servers
from tests.shop.models import Product

SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/a/site.sqlite3"}
OPTIONS = servers.SQLITE_OPTIONS


def said(messages):
    return [(message.id, message.msg, message.hint) for message in messages]


def test_settings_of_the_tests_are_right():
    assert run_checks(tags=["retinue"]) == []


def test_no_settings_at_all_are_right(settings):
    settings.RETINUE = {}
    assert check_settings() == []


def test_unknown_key_names_the_near_one(settings):
    settings.RETINUE = {"MODL": "x", "concurrency": 3, "COLOUR": "red"}
    assert said(check_settings()) == [
        ("retinue.E001", "RETINUE has no key 'MODL'.", "Did you mean 'MODEL'?"),
        ("retinue.E001", "RETINUE has no key 'concurrency'.", "Did you mean 'CONCURRENCY'?"),
        ("retinue.E001", "RETINUE has no key 'COLOUR'.", "Remove it."),
    ]


def test_settings_that_are_no_dict(settings):
    settings.RETINUE = ["MODEL"]
    assert said(check_settings()) == [("retinue.E002", "RETINUE is a list.", "Make it a dict.")]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("MODEL", None, "a text"),
        ("CONCURRENCY", "100", "a whole number"),
        ("CONCURRENCY", True, "a whole number"),
        ("LEASE_SECONDS", "20", "a number"),
        ("APPROVAL_TTL", "1 day", "a number or None"),
        ("EMBEDDED_WORKER", 1, "True or False or None"),
        ("ORPHANS", "drop", "'resume' or 'fail'"),
        ("CONTEXT", "retinue.runtime.context.Language", "a list of texts"),
        ("CONTEXT", [1], "a list of texts"),
        ("ASSISTANT_EXAMPLES", ["What can you do?"], "a dict, each value of which is a list of texts"),
        ("ASSISTANT_EXAMPLES", {"guide": "What can you do?"}, "a dict, each value of which is a list of texts"),
        ("ASSISTANT_EXAMPLES", {1: ["What can you do?"]}, "a dict, each value of which is a list of texts"),
        ("SYSTEM_PERMISSIONS", "none", "'all' or a tuple of texts or a list of texts"),
    ],
)
def test_value_of_the_wrong_type_says_what_is_expected(settings, key, value, expected):
    settings.RETINUE = {key: value}
    assert said(check_settings()) == [("retinue.E003", f"RETINUE[{key!r}] is {value!r}.", f"Expected: {expected}.")]


def test_texts_may_be_translated_later(settings):
    settings.RETINUE = {"ASSISTANT_EXAMPLES": {"guide": [gettext_lazy("Yes"), "What can you do?"]}}
    assert said(check_settings()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LEASE_SECONDS", 30),
        ("APPROVAL_TTL", None),
        ("SYSTEM_PERMISSIONS", ("shop.view_product",)),
        ("SYSTEM_PERMISSIONS", []),
        ("EMBEDDED_WORKER", False),
        ("DISPATCHER", "worker"),
    ],
)
def test_values_that_are_right(settings, key, value):
    settings.RETINUE = {key: value}
    assert check_settings() == []


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("CONCURRENCY", 0, "at least 1"),
        ("APPROVAL_TTL", 0, "more than 0"),
        ("POLL_SECONDS", float("nan"), "more than 0"),
        ("GRACE_SECONDS", -1, "0 or more"),
        ("SESSION_IDLE_DAYS", 0, "more than 0"),
        ("SESSION_HISTORY_TOKENS", 0, "at least 1"),
        ("EVENT_DAYS", -1, "more than 0"),
    ],
)
def test_value_out_of_its_range_says_the_range(settings, key, value, rule):
    settings.RETINUE = {key: value}
    assert said(check_settings()) == [("retinue.E004", f"RETINUE[{key!r}] is {value!r}.", f"It must be {rule}.")]


BUDGET = {"unit": "usd", "limit": 5}


@pytest.mark.parametrize(
    "budgets",
    [
        [],
        [BUDGET],
        [{"owner": "guest", "unit": "requests", "period": "day", "limit": 0}],
        [BUDGET, {**BUDGET, "period": "day"}, {**BUDGET, "owner": "guest"}],
        [{"unit": "usd", "limit": "0.10"}, {"unit": "credits", "limit": Decimal("0.5")}],
    ],
)
def test_default_budgets_that_are_right(settings, budgets):
    settings.RETINUE = {"DEFAULT_BUDGETS": budgets}
    assert check_settings() == []


@pytest.mark.parametrize(
    ("budget", "code", "message", "hint"),
    [
        ({**BUDGET, "colour": 1}, "E001", " has no key 'colour'.", "Remove it."),
        ({**BUDGET, "Owner": "user"}, "E001", " has no key 'Owner'.", "Did you mean 'owner'?"),
        ({**BUDGET, "owner": "users"}, "E004", "['owner'] is 'users'.", "Did you mean 'user'?"),
        ({**BUDGET, "owner": "group"}, "E004", "['owner'] is 'group'.", "Expected: 'user' or 'guest'."),
        ({**BUDGET, "unit": "credit"}, "E004", "['unit'] is 'credit'.", "Did you mean 'credits'?"),
        ({**BUDGET, "period": "monthly"}, "E004", "['period'] is 'monthly'.", "Did you mean 'month'?"),
        ({"limit": 5}, "E003", " has no 'unit'.", "Say it."),
        ({"unit": "usd"}, "E003", " has no 'limit'.", "Say it."),
        ({**BUDGET, "limit": None}, "E003", "['limit'] is None.", "Expected: a number."),
        ({**BUDGET, "limit": True}, "E003", "['limit'] is True.", "Expected: a number."),
        ({**BUDGET, "limit": -1}, "E004", "['limit'] is -1.", "It must be 0 or more."),
        ({**BUDGET, "limit": "much"}, "E004", "['limit'] is 'much'.", "'much' is not an amount."),
        (
            {"unit": "tokens", "limit": 1.5},
            "E004",
            "['limit'] is 1.5.",
            "tokens are counted in whole numbers, not in 1.5.",
        ),
    ],
)
def test_default_budget_that_cannot_be_made(settings, budget, code, message, hint):
    settings.RETINUE = {"DEFAULT_BUDGETS": [BUDGET, {"period": "day", **budget}]}
    assert said(check_settings()) == [(f"retinue.{code}", f"RETINUE['DEFAULT_BUDGETS'][1]{message}", hint)]


def test_default_budget_that_is_there_twice(settings):
    settings.RETINUE = {"DEFAULT_BUDGETS": [BUDGET, {**BUDGET, "owner": "user", "period": "month", "limit": 9}]}
    assert said(check_settings()) == [
        (
            "retinue.E004",
            "RETINUE['DEFAULT_BUDGETS'][1] is there twice.",
            "Only one of a unit and period can be made for an owner.",
        )
    ]


@pytest.mark.parametrize("value", [{"unit": "usd"}, ["usd"], None])
def test_default_budgets_are_a_list_of_dicts(settings, value):
    settings.RETINUE = {"DEFAULT_BUDGETS": value}
    assert said(check_settings()) == [
        ("retinue.E003", f"RETINUE['DEFAULT_BUDGETS'] is {value!r}.", "Expected: a list of dicts.")
    ]


@pytest.mark.parametrize("value", ["auto", "poll", "redis://localhost:6379/0", "rediss://:secret@cache.example:6380/1"])
def test_ways_of_hearing_of_events(settings, value):
    settings.RETINUE = {"EVENTS": value}
    assert check_settings() == []


@pytest.mark.parametrize("value", ["", "redis", "http://:secret@example.com", "secret://x"])
def test_way_of_hearing_of_events_that_is_not_known_is_not_repeated(settings, value):
    settings.RETINUE = {"EVENTS": value}
    [(id, sentence, hint)] = said(check_settings())
    assert (id, sentence) == ("retinue.E004", "RETINUE['EVENTS'] says nothing that is known.")
    assert "secret" not in sentence + hint


def test_credits_have_a_name(settings):
    settings.RETINUE = {"CREDITS_NAME": " "}
    assert said(check_settings()) == [("retinue.E004", "RETINUE['CREDITS_NAME'] is ' '.", "It must be a name.")]


def test_database_that_is_not_configured(settings):
    settings.RETINUE = {"DATABASE": "journal"}
    assert said(run_checks(tags=["retinue"])) == [
        ("retinue.E004", "RETINUE['DATABASE'] is 'journal'.", "DATABASES has: default.")
    ]


def test_cache_that_is_not_configured(settings):
    settings.RETINUE = {"CACHE": "answers"}
    assert said(run_checks(tags=["retinue"])) == [
        ("retinue.E004", "RETINUE['CACHE'] is 'answers'.", "CACHES has: default, shared.")
    ]


def test_dispatcher_that_cannot_be_imported(settings):
    settings.RETINUE = {"DISPATCHER": "carrier.Pigeon"}
    assert said(check_settings()) == [
        (
            "retinue.E005",
            "RETINUE['DISPATCHER']: 'carrier.Pigeon' cannot be imported: No module named 'carrier'",
            "Name a subclass of retinue.dispatcher.Dispatcher by its dotted path, or use 'worker'.",
        )
    ]


def test_context_hook_and_redaction_must_have_what_is_called(settings):
    settings.RETINUE = {"CONTEXT": ["retinue.errors.RetinueError"], "REDACT": "retinue.dispatcher.NAMES"}
    assert [(m.id, m.msg) for m in check_settings()] == [
        ("retinue.E005", "RETINUE['CONTEXT']: 'retinue.errors.RetinueError' has no capture()."),
        ("retinue.E005", "RETINUE['REDACT']: 'retinue.dispatcher.NAMES' has no __call__()."),
    ]


@pytest.mark.parametrize(("lease", "messages"), [(18.1, []), (18, ["not under a third of LEASE_SECONDS, 18."])])
def test_tool_transaction_ends_within_a_third_of_the_lease(settings, lease, messages):
    settings.RETINUE = {"LEASE_SECONDS": lease}
    assert [m.msg.partition(": ")[2] for m in check_settings() if m.id == "retinue.E006"] == messages


@pytest.mark.parametrize(("heartbeat", "messages"), [(10, []), (10.5, ["over half of LEASE_SECONDS, 20."])])
def test_heartbeat_comes_twice_in_a_lease(settings, heartbeat, messages):
    settings.RETINUE = {"HEARTBEAT_SECONDS": heartbeat}
    assert [m.msg.partition(": ")[2] for m in check_settings() if m.id == "retinue.E006"] == messages


# --- SQLite


@pytest.fixture
def sqlite(monkeypatch, settings):
    """Checks a database with these settings."""

    def check(options, name=SQLITE["NAME"], debug=False):
        settings.DEBUG = debug
        database = {**SQLITE, "NAME": name, "OPTIONS": options}
        stand_in = {"default": SimpleNamespace(vendor="sqlite", settings_dict=database)}
        monkeypatch.setattr("retinue.checks.database.connections", stand_in)
        return check_sqlite()

    return check


def test_sqlite_with_its_options_is_right(sqlite):
    assert sqlite(OPTIONS) == []
    assert sqlite({**OPTIONS, "init_command": "pragma journal_mode = 'wal'"}) == []


def test_sqlite_without_options_is_given_the_lines_to_add(sqlite):
    (message,) = sqlite({})
    assert (message.id, message.is_serious()) == ("retinue.E007", True)
    assert message.msg == (
        "DATABASES['default'] is SQLite without transaction_mode IMMEDIATE, journal_mode WAL, a timeout over 6 "
        "seconds: what works at the same time would fail with “database is locked”."
    )
    head, _, lines = message.hint.partition("\n")
    assert head == "Have this in DATABASES['default']:"
    added = eval("{" + textwrap.dedent(lines) + "}")  # noqa: S307 (our own hint: it must be Python)
    assert added == {"OPTIONS": OPTIONS}
    assert sqlite(added["OPTIONS"]) == []


def test_sqlite_without_options_is_a_warning_under_debug(sqlite):
    (message,) = sqlite({}, debug=True)
    assert (message.id, message.is_serious()) == ("retinue.W007", False)


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"transaction_mode": "DEFERRED"}, "transaction_mode IMMEDIATE"),
        ({"init_command": "PRAGMA journal_mode=DELETE;"}, "journal_mode WAL"),
        ({"timeout": 6}, "a timeout over 6 seconds"),
    ],
)
def test_sqlite_names_only_what_is_missing(sqlite, options, missing):
    (message,) = sqlite({**OPTIONS, **options})
    assert message.msg.startswith(f"DATABASES['default'] is SQLite without {missing}: ")


def test_sqlite_waits_for_the_longest_tool_of_this_site(sqlite, settings):
    settings.RETINUE = {"TOOL_TRANSACTION_SECONDS": 2}
    assert sqlite({**OPTIONS, "timeout": 3}) == []


@pytest.mark.parametrize("name", [":memory:", "file:memorydb_default?mode=memory&cache=shared"])
def test_database_in_memory_needs_no_options(sqlite, name):
    assert sqlite({}, name=name) == []


@pytest.mark.only_on("postgresql")
def test_postgresql_needs_no_options(db):
    assert connections["default"].vendor == "postgresql"
    assert check_sqlite() == []


# --- with check --deploy


def test_offline_model_in_production_is_said(settings):
    settings.RETINUE = {}
    assert said(check_offline_model()) == [
        (
            "retinue.W010",
            "Agents that name no model are answered by 'offline:default', which follows rules and is no language "
            "model.",
            'Set RETINUE["MODEL"], for instance to "openai:gpt-5-mini".',
        )
    ]
    settings.RETINUE = {"MODEL": "openai:gpt-5-mini"}
    assert check_offline_model() == []


def test_offline_model_under_debug_is_fine(settings):
    settings.DEBUG, settings.RETINUE = True, {}
    assert check_offline_model() == []


def agent(**options):
    made = DjangoAgent("checked", model="test", **options)

    @made.tool(permission="shop.change_product")
    def reprice(ctx: RunContext[DjangoDeps]) -> str:
        return ""

    return made


def test_permissions_that_models_declare_are_known(db):
    with registered(agent(permission="retinue.decide_approval")):
        assert [m for m in check_agents() if "checked" in m.msg] == []


def test_permission_that_does_not_exist_is_said(db):
    with registered(agent(permission="shop.reprice_product")):
        assert [(m.id, m.msg) for m in check_agents() if "checked" in m.msg] == [
            (
                "retinue.W012",
                "The agent 'checked' asks for the permission 'shop.reprice_product', which does not exist.",
            )
        ]


def test_permission_without_its_app_is_said(db):
    with registered(agent(permission="change_product")):
        assert [m.id for m in check_agents() if "'change_product'" in m.msg] == ["retinue.W012"]


def test_permission_made_by_hand_is_known(db):
    kind = ContentType.objects.get_for_model(Product)
    Permission.objects.create(content_type=kind, codename="reprice_product", name="Can reprice")
    with registered(agent(permission="shop.reprice_product")):
        assert [m for m in check_agents() if "checked" in m.msg] == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("opneai:gpt-5", "The agent 'modelled': The model 'opneai:gpt-5' cannot be used: "),
        ("openai:gpt-5", "The agent 'modelled': The model 'openai:gpt-5' needs "),
    ],
)
def test_model_that_cannot_be_used_is_said(monkeypatch, model, message):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with registered(DjangoAgent("modelled", model=model)):
        (found,) = [m for m in check_agents() if "modelled" in m.msg]
    assert found.id == "retinue.W013"
    assert found.msg.startswith(message)


def test_two_agents_with_one_name_are_named(tmp_path):
    for app in ("first", "second"):
        (tmp_path / app).mkdir()
        (tmp_path / app / "__init__.py").touch()
        (tmp_path / app / "agents.py").write_text("from retinue import DjangoAgent\nhelper = DjangoAgent('helper')\n")
    done = in_project(tmp_path, apps=["first", "second"], code="call_command('check', '--deploy', '--tag', 'retinue')")
    assert done.returncode == 1
    assert (
        "(retinue.E011) Two agents are named 'helper': first.agents:helper and second.agents:helper. "
        "A name is persisted identity; rename one of them."
    ) in done.stderr


def test_agents_that_cannot_be_loaded_are_said(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "agents.py").write_text("import nothing_of_that_name\n")
    done = in_project(tmp_path, apps=["broken"], code="call_command('check', '--deploy', '--tag', 'retinue')")
    assert done.returncode == 1
    assert (
        "(retinue.E011) The agents cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'"
    ) in done.stderr


def test_plain_check_loads_no_engine(tmp_path):
    code = """
        call_command("check")
        heavy = {"pydantic", "pydantic_ai", "genai_prices", "httpx"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = in_project(tmp_path, apps=["django.contrib.admin", "django.contrib.messages"], code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"


def in_project(folder, *, apps, code):
    """Run code in a process of its own, in a small project with these apps besides Retinue."""
    script = f"""
import sys
from django.conf import settings
settings.configure(
    DEBUG=False, SECRET_KEY="x", USE_TZ=True, ROOT_URLCONF="urls",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "retinue", *{apps!r}
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{{
        "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {{"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]}},
    }}],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3", "OPTIONS": {OPTIONS!r}}}}},
    RETINUE={{"MODEL": "test"}},
)
import django
django.setup()
from django.core.management import call_command
from django.core.management.base import SystemCheckError
try:
{textwrap.indent(textwrap.dedent(code).strip(), "    ")}
except SystemCheckError as error:
    sys.exit(str(error))
"""
    (folder / "urls.py").write_text("urlpatterns = []\n")
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)

"""The settings package, in processes of its own: production has other settings than these tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.settings.base import database
from tests.waiting import WAIT_SECONDS

MANAGE = Path(__file__).parents[2] / "store" / "manage.py"
SECRET = "3fQ-w8Zk1_pLr7Vx0bTn5YdHs2GmJc6EaUoRiWq9NzKvBtXyD4hSlMfCgPj"


def manage(*arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH", "HOME"}}
    return subprocess.run(
        [sys.executable, str(MANAGE), *arguments],
        env={**kept, "DATABASE_URL": "sqlite://:memory:", **environment},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )


def production(*arguments, **environment):
    return manage(*arguments, DJANGO_SETTINGS_MODULE="project.settings.production", **environment)


def test_development_needs_nothing():
    result = manage("check")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": SECRET}, "ALLOWED_HOSTS"),
        ({"SECRET_KEY": SECRET, "ALLOWED_HOSTS": " "}, "ALLOWED_HOSTS"),
        ({"SECRET_KEY": "", "ALLOWED_HOSTS": "shop.example.com"}, "SECRET_KEY"),
    ],
)
def test_production_demands_its_secrets(environment, missing):
    result = production("check", **environment)
    assert result.returncode != 0
    assert f"Set the environment variable {missing}" in result.stderr


def test_production_passes_the_deployment_check():
    result = production(
        "check",
        "--deploy",
        "--tag=security",
        "--fail-level=WARNING",
        SECRET_KEY=SECRET,
        ALLOWED_HOSTS="shop.example.com, www.example.com",
    )
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_production_says_when_the_offline_model_answers():
    result = production("check", "--deploy", SECRET_KEY=SECRET, ALLOWED_HOSTS="shop.example.com")
    assert "offline" in result.stderr


def test_sqlite_gets_the_options_for_several_writers():
    options = database("sqlite:////srv/shop.sqlite3")["OPTIONS"]
    assert options == {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "timeout": 20,
    }


def test_other_databases_are_left_alone():
    config = database("postgres://shop:secret@db:5432/shop")
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert "transaction_mode" not in config.get("OPTIONS", {})


def test_migrations_are_complete():
    result = manage("makemigrations", "--check", "--dry-run", "users", "products")
    assert result.returncode == 0, result.stdout

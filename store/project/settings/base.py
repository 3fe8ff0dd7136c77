"""What every place shares. Values come from the environment, or from `store/.env`."""

from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")


def database(url: str) -> dict[str, Any]:
    """The connection that a URL describes; SQLite as several writing processes need it.

    IMMEDIATE takes the write lock when a transaction begins (a later upgrade cannot wait for it), and
    with WAL readers never wait for the writer.
    """
    config: dict[str, Any] = env.db_url_config(url)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "timeout": 20,
            **config.get("OPTIONS", {}),
        }
    return config


INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "retinue",
    "retinue.assistant",
    "apps.core",
    "apps.users",
    "apps.products",
    "apps.home",
]

# Each of these runs under ASGI without a thread of its own: one middleware that cannot would put every
# request through one.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]

# Nothing comes from elsewhere and nothing is inline, on any page: of the shop, the assistant and the admin.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / "media"

RETINUE = {
    "MODEL": env.str("RETINUE_MODEL", default="offline:default"),
    # The offline model costs nothing. With a price, in dollars for a million tokens, budgets have something to show.
    "PRICES": {"offline:default": {"input": "3", "output": "15"}},
    "ASSISTANT": "shop_guide",
    "GUEST_AGENTS": ["shop_guide"],
    "ASSISTANT_EXAMPLES": {
        "shop_guide": [
            _("Which chairs are in stock?"),
            _("What do customers think of the Heron Floor Lamp?"),
            _("What is the cheapest lamp?"),
            _("What do you have for the garden?"),
        ],
        "catalogue_helper": [
            _("Which products are low in stock?"),
            _("How many pieces of the Heron Floor Lamp are in stock?"),
            _("Set the price of the Heron Floor Lamp to 249.00"),
        ],
    },
    # A question takes about two requests to the model. What all of them cost together has a limit, too: `seed_demo`.
    "DEFAULT_BUDGETS": [
        {"owner": "user", "unit": "credits", "period": "month", "limit": 500},
        {"owner": "guest", "unit": "requests", "period": "day", "limit": 20},
    ],
}

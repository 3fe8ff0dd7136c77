"""The project that is measured. RETINUE_BENCH_DATABASE chooses its database: sqlite or postgresql."""

import os

from tests import servers

SECRET_KEY = "for measurements only"  # noqa: S105
DATABASES = {"default": servers.database(os.environ.get("RETINUE_BENCH_DATABASE", "sqlite"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "retinue",
    "bench.workload",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "bench.web"
ALLOWED_HOSTS = ["localhost"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TIME_ZONE = "UTC"
# No budgets but those that a figure makes itself, and a price for models that are named after it.
RETINUE = {"DEFAULT_BUDGETS": [], "PRICES": {"function:priced": {"input": 2, "output": 10}}}
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

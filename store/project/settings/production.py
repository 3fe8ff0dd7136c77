"""On a server, behind TLS. SECRET_KEY and ALLOWED_HOSTS must be set: there is no default that is safe."""

from django.core.exceptions import ImproperlyConfigured

from .base import *  # noqa: F403
from .base import env

DEBUG = False


def demand(name: str, what: str) -> str:
    """The variable's value. Raises ImproperlyConfigured, which says what it is for, where it is empty."""
    if value := env.str(name, default="").strip():
        return value
    raise ImproperlyConfigured(f"Set the environment variable {name}: {what}.")


SECRET_KEY = demand("SECRET_KEY", "a long random text that nobody else knows")
ALLOWED_HOSTS = [
    host.strip()
    for host in demand("ALLOWED_HOSTS", "the site's host names, separated by commas").split(",")
    if host.strip()
]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# `collectstatic` fills STATIC_ROOT with files that are compressed, under names that hold a digest; `project.static`
# serves them. What the site itself says is not compressed: GZipMiddleware would hold streams back.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}

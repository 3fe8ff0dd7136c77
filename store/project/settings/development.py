"""On one's own machine: nothing has to be set."""

from .base import *  # noqa: F403
from .base import env

DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="django-insecure-for-development-only")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

"""On one's own machine: nothing has to be set."""

from .base import *  # noqa: F403
from .base import RETINUE as BASE
from .base import env

DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="django-insecure-for-development-only")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

# Slow enough that one sees how an answer comes in.
RETINUE = {**BASE, "OFFLINE_LATENCY": env.float("RETINUE_OFFLINE_LATENCY", default=2.0)}

"""On one's own machine: nothing has to be set."""

from .base import *  # noqa: F403
from .base import MIDDLEWARE as SHARED
from .base import RETINUE as BASE
from .base import env

DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="django-insecure-for-development-only")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

# Whoever tries the demonstration meets the shop's own page for what is not there. Take it out to see which addresses
# there are.
MIDDLEWARE = [*SHARED, "apps.home.errors.NotFoundPage"]

# Slow enough that one sees how an answer comes in.
RETINUE = {**BASE, "OFFLINE_LATENCY": env.float("RETINUE_OFFLINE_LATENCY", default=2.0)}

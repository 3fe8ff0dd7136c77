"""For the tests: quick, and the same on every machine whatever its environment says."""

from .base import *  # noqa: F403
from .base import RETINUE as BASE
from .base import database, env

DEBUG = False
SECRET_KEY = "for-tests-only"  # noqa: S105 (signs nothing that leaves the tests)
ALLOWED_HOSTS = ["testserver"]
DATABASES = {"default": database(env.str("TEST_DATABASE_URL", default="sqlite://:memory:"))}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

RETINUE = {**BASE, "MODEL": "offline:default", "EMBEDDED_WORKER": False}

"""The store as it is served to a browser on this machine."""

from tests.store.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1", "testserver"]

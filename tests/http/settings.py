"""For the servers of these tests: with the URLs of their own."""

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.http.urls"

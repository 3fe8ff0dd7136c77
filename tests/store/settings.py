"""The store's own settings for tests, on the database that the tests run on."""

import os

from project.settings.testing import *  # noqa: F403
from tests import servers

DATABASES = {"default": servers.database(os.environ.get("RETINUE_TEST_DATABASE", "sqlite"))}

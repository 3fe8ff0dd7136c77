"""What an ASGI server serves: the site, and with EMBEDDED_WORKER a worker beside it."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.production")

application = get_asgi_application()

# Only a server imports this module, so that a management command never starts a worker by the way.
from project.static import StaticFiles  # noqa: E402 (needs the settings)
from retinue.dispatch import start_embedded_worker  # noqa: E402 (needs the apps)

if not settings.DEBUG:  # the development servers find the files themselves, before `collectstatic` does
    application = StaticFiles(application)
start_embedded_worker()

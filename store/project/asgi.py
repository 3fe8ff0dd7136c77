"""What an ASGI server serves: the site, and with EMBEDDED_WORKER a worker beside it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.production")

application = get_asgi_application()

# Only a server imports this module, so that a management command never starts a worker by the way.
from retinue.dispatch import start_embedded_worker  # noqa: E402 (needs the apps)

start_embedded_worker()

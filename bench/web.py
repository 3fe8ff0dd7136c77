"""The site that is measured: the streams of runs, for who is logged in."""

from django.core.asgi import get_asgi_application
from django.urls import path

from retinue.http.events import execution_events

urlpatterns = [path("executions/<uuid:execution_id>/events/", execution_events)]
application = get_asgi_application()

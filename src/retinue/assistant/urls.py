"""The addresses of the assistant site."""

from django.urls import path

from retinue.assistant.views import answers, approvals, asking, conversations, health, pages, queries, quota
from retinue.http.events import execution_events

app_name = "ai_assistant"

urlpatterns = [
    path("", pages.dashboard, name="dashboard"),
    path("history/", pages.history, name="history"),
    path("quota/", quota.quota, name="quota"),
    path("health/", health.health, name="health"),
    path("ask/", asking.ask, name="ask"),
    path("query/async/", queries.query_async, name="query_async"),
    path("query/sync/", queries.query_sync, name="query_sync"),
    path("sessions/", pages.session_list, name="session_list"),
    path("session/create/", conversations.create_session, name="create_session"),
    path("session/<uuid:session_id>/", pages.session_detail, name="session_detail"),
    path("session/<uuid:session_id>/rename/", conversations.rename_session, name="rename_session"),
    path("session/<uuid:session_id>/delete/", conversations.delete_session, name="delete_session"),
    path("session/<uuid:session_id>/export/<str:kind>/", conversations.export_session, name="export_session"),
    path("executions/<uuid:execution_id>/", answers.execution_detail, name="execution_detail"),
    path("executions/<uuid:execution_id>/events/", execution_events, name="execution_events"),
    path("executions/<uuid:execution_id>/stop/", answers.stop, name="stop"),
    path("executions/<uuid:execution_id>/regenerate/", asking.regenerate, name="regenerate"),
    path("executions/<uuid:execution_id>/edit/", asking.edit, name="edit"),
    path("executions/<uuid:execution_id>/rate/", answers.rate, name="rate"),
    path("approvals/<uuid:approval_id>/decide/", approvals.decide, name="decide"),
]

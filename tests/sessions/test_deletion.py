"""Deleting a conversation, or its user, while somebody sends a message."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.sessions.turns import admit
from retinue.types import Principal
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgresql")]


def waiting():
    """How many statements wait for a lock that this connection has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return cursor.fetchone()[0]


def deleted(thing):
    try:
        return thing.delete()
    finally:
        connections.close_all()


@pytest.mark.parametrize("what", ["user", "session"])
def test_interrupting_message_and_deletion_wait_for_one_another(listener, user, what):
    session = start_session(Principal.of(user), "listener")
    first = listener.agent.enqueue("one", user=user, session=session)
    second = AgentExecution(
        agent_name="listener", principal_type="user", principal_key=str(user.pk), user=user, input_prompt="two"
    )
    second.root_id = second.pk
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            AISession.objects.filter(pk=session.pk).update(updated_at=session.updated_at)  # the message has the session
            deletion = threads.submit(deleted, user if what == "user" else session)
            until(waiting)
            admit("default", session.pk, second, policy="interrupt")
            second.save(force_insert=True)
        deletion.result()
    assert not AISession.objects.exists()
    left = AgentExecution.objects.order_by("created_at").values_list("pk", "status", "session")
    assert list(left) == [(first.pk, "cancelled", None), (second.pk, "queued", None)]

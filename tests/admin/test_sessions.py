"""The admin's pages on conversations."""

import pytest
from django.utils import timezone

from retinue.sessions.models import AISession
from tests.admin.conftest import log_in
from tests.admin.test_executions import rows, text


@pytest.fixture
def session(user):
    when = timezone.now().replace(2026, 3, 4, 15, 6)
    return AISession.objects.create(
        user=user,
        principal_type="user",
        principal_key=str(user.pk),
        agent_name="clerk",
        title="Where is <my> order?",
        context={"shop": "north"},
        created_at=when,
        updated_at=when,
    )


def test_list_shows_the_latest_first_and_filters(page, session):
    closed = AISession.objects.create(
        principal_type="guest", principal_key="k1", agent_name="guide", is_active=False, updated_at=timezone.now()
    )
    listed = rows(page("aisession/"))
    assert [row[0] for row in listed] == [str(closed.pk), str(session.pk)]
    assert listed[0][1] == "Guest k1"
    assert listed[1][1:4] == ["ada", "Where is <my> order?", "clerk"]
    assert listed[1][4] == "03/04/2026 3:06 p.m."
    assert [row[0] for row in rows(page("aisession/", is_active__exact="0"))] == [str(closed.pk)]
    assert [row[0] for row in rows(page("aisession/", q="ada"))] == [str(session.pk)]


def test_page_shows_what_was_said_and_leads_to_each_run(page, make, session):
    first = make("clerk", session=session, input_prompt="Where is it?")
    again = make(
        "clerk", session=session, input_prompt="Where is it now?", replaces=first, rating=1, rating_note="fast"
    )
    response = page(f"aisession/{session.pk}/change/")
    said = text(response.content.decode())
    assert said.index("Completed Where is it? Completed Where is it now?") > 0
    assert f"/admin/retinue/agentexecution/{again.pk}/change/" in response.content.decode()
    run = text(page(f"agentexecution/{again.pk}/change/").content.decode())
    assert "Helpful: fast" in run
    assert "Where is <my> order?" in run


@pytest.mark.parametrize(("names", "status"), [((), 403), (("retinue.view_aisession",), 200)])
def test_needs_the_permission(staff, grant, session, names, status):
    grant(staff, *names)
    client = log_in(staff)
    assert client.get("/admin/retinue/aisession/").status_code == status
    assert client.get(f"/admin/retinue/aisession/{session.pk}/change/").status_code == status


def test_list_asks_the_same_number_of_questions_however_long(page, session, django_assert_num_queries, user):
    page("aisession/")
    with django_assert_num_queries(4):
        page("aisession/")
    for _ in range(20):
        AISession.objects.create(user=user, principal_type="user", principal_key=str(user.pk), agent_name="clerk")
    with django_assert_num_queries(4):
        page("aisession/")

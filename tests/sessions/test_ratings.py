"""Who may rate an answer, and how."""

import pytest
from django.contrib.auth.models import AnonymousUser

from retinue.errors import AgentPermissionDenied, IllegalTransition, InvalidInput
from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.sessions.ratings import PERMISSION, rate
from retinue.types import SYSTEM, Principal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def answered(listener, user):
    session = start_session(Principal.of(user), "listener")
    return listener.agent.run_sync("one", user=user, session=session).execution


def stored():
    return AgentExecution.objects.values_list("rating", "rating_note").get()


def test_rating_is_on_the_execution_and_can_be_taken_back(answered, user):
    rate(answered, 1, by=user)
    assert stored() == (1, "")
    rate(answered, -1, " too\x00 long ", by=Principal.of(user))
    assert stored() == (-1, "too long")
    rate(answered, None, "ignored", by=user)
    assert stored() == (None, "")


def test_only_who_asked_or_may_change_executions_rates(answered, user, grant, django_user_model):
    other = django_user_model.objects.create_user("bob")
    for by in (other, AnonymousUser(), SYSTEM, Principal.guest(str(user.pk))):
        with pytest.raises(AgentPermissionDenied):
            rate(answered, 1, by=by)
    assert stored() == (None, "")
    grant(other, PERMISSION)
    rate(answered, 1, by=django_user_model.objects.get(pk=other.pk))
    assert stored() == (1, "")
    user.is_active = False
    with pytest.raises(AgentPermissionDenied):
        rate(answered, -1, by=user)


@pytest.mark.parametrize(("rating", "note"), [(0, ""), (2, ""), ("1", ""), (1, "x" * 1001)])
def test_what_is_no_rating_is_refused(answered, user, rating, note):
    with pytest.raises(InvalidInput):
        rate(answered, rating, note, by=user)
    assert stored() == (None, "")


def test_what_has_no_answer_yet_is_not_rated(answered, user):
    AgentExecution.objects.update(status="running")
    answered.refresh_from_db()
    with pytest.raises(IllegalTransition):
        rate(answered, 1, by=user)


def test_what_is_not_on_record_any_more_is_not_rated(answered, user):
    AgentExecution.objects.all().delete()
    with pytest.raises(IllegalTransition, match="not on record any more"):
        rate(answered, 1, by=user)

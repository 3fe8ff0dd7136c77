"""For whom a request acts."""

import pytest
from django.contrib.auth import get_user, login, logout
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory

from retinue.http.principal import guest_principal, renewed, request_principal
from retinue.types import Principal

pytestmark = pytest.mark.django_db


@pytest.fixture
def visit(rf: RequestFactory):
    """A request of a browser, by its session."""

    def make(session):
        request = rf.get("/")
        request.session = session
        request.user = get_user(request)
        return request

    return make


def test_user(visit, user):
    request = visit(SessionStore())
    request.user = user
    assert request_principal(request) == guest_principal(request) == Principal(type="user", key=str(user.pk))
    assert request.session.is_empty()


def test_visitor_is_nobody_until_he_is_a_guest(visit):
    request = visit(SessionStore())
    assert request_principal(request) is None
    guest = guest_principal(request)
    assert guest.type == "guest"
    assert len(guest.key) == 32
    assert request_principal(request) == guest_principal(request) == guest


def test_guest_comes_back(visit):
    session = SessionStore()
    guest = guest_principal(visit(session))
    session.save()
    assert request_principal(visit(SessionStore(session.session_key))) == guest


def test_guests_are_not_each_other(visit):
    assert guest_principal(visit(SessionStore())) != guest_principal(visit(SessionStore()))


def test_guest_who_logs_in_is_the_user(visit, user):
    request = visit(SessionStore())
    guest_principal(request)
    login(request, user)
    assert request_principal(request) == Principal.of(user)
    logout(request)
    assert request_principal(request) is None


def test_renewed_request_is_of_who_is_there_by_now(visit, user):
    session = SessionStore()
    request = visit(session)
    guest = guest_principal(request)
    session.save()
    assert request_principal(renewed(request)) == guest
    session.delete()
    assert request_principal(renewed(request)) is None
    request = visit(SessionStore())
    login(request, user)
    request.session.save()
    assert request_principal(renewed(request)) == Principal.of(user)
    SessionStore(request.session.session_key).delete()
    assert request_principal(renewed(request)) is None


def test_renewed_request_of_who_is_known_without_a_session(visit, user):
    request = visit(SessionStore())
    request.user = user
    assert request_principal(renewed(request)) == Principal.of(user)
    del request.session  # a site may have none
    assert request_principal(renewed(request)) == Principal.of(user)
    type(user).objects.update(is_active=False)
    assert request_principal(renewed(request)) is None

"""What visitors see where something is not there, not allowed or broken; on one's own machine, too."""

from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.test import AsyncClient, Client, RequestFactory
from django.views.defaults import permission_denied, server_error

from project.settings.development import MIDDLEWARE

pytestmark = pytest.mark.django_db
NOBODY = UUID(int=1)
ABSENT = ["/nowhere/", "/products/unknown/", "/products/category/unknown/", f"/ai/session/{NOBODY}/"]


@pytest.fixture(params=[False, True], ids=["in production", "in development"])
def place(request, settings):
    if request.param:
        settings.DEBUG, settings.MIDDLEWARE = True, MIDDLEWARE


@pytest.mark.parametrize("path", ABSENT)
def test_what_is_not_there(place, client, user, path):
    client.force_login(user)
    response = client.get(path)
    assert response.status_code == 404
    assert "<h1>There is nothing here</h1>" in response.text
    assert user.email in response.text


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_what_is_not_there_on_an_asgi_server(place):
    for path in ("/nowhere/", "/products/unknown/"):
        response = await AsyncClient().get(path)
        assert (response.status_code, "There is nothing here" in response.text) == (404, True)


def test_missing_slash_is_added(place, client):
    response = client.get("/products")
    assert (response.status_code, response.headers["Location"]) == (301, "/products/")


def test_program_is_answered_as_before(place, client, user):
    client.force_login(user)
    response = client.get(f"/ai/executions/{NOBODY}/", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_what_is_not_allowed(place, client, staff):
    client.force_login(staff)
    response = client.get("/admin/products/product/add/")
    assert response.status_code == 403
    assert "<h1>This is not for you</h1>" in response.text
    assert "You may not do this here." in response.text


def test_what_is_not_allowed_says_why():
    response = permission_denied(RequestFactory().get("/"), PermissionDenied("Only <staff> may do this."))
    assert "<p>Only &lt;staff&gt; may do this.</p>" in response.text


def test_form_of_a_page_that_is_out_of_date(place):
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "ada"})
    assert response.status_code == 403
    assert "<h1>The page was out of date</h1>" in response.text


def test_fault_of_the_shop(django_assert_num_queries):
    with django_assert_num_queries(0):
        response = server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert "<h1>Something went wrong</h1>" in response.text
    assert "Log in" not in response.text

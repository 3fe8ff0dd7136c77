"""Logging in and out, and changing the password."""

import pytest
from django.contrib.auth import authenticate

from apps.users.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "a good password"
OTHER = "another good one"
CHANGE = "/accounts/password_change/"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.com", PASSWORD, first_name="Ada")


def test_log_in_and_out(client, ada):
    page = client.get("/accounts/login/")
    assert "demo_logins" in page.context
    assert "larkfield-" not in page.text  # DEBUG is off
    response = client.post("/accounts/login/", {"username": "ADA@example.com", "password": PASSWORD})
    assert (response.status_code, response.url) == (302, "/")
    assert client.get("/accounts/logout/").status_code == 405
    response = client.post("/accounts/logout/")
    assert (response.status_code, response.url) == (302, "/")
    assert "/accounts/login/" in client.get("/").text


def test_wrong_password_is_said(client, ada):
    response = client.post("/accounts/login/", {"username": ada.email, "password": "wrong"})
    assert response.status_code == 200
    assert "Please enter a correct e-mail address and password" in response.text


def test_login_leads_back_to_the_page_that_asked_for_it(client, ada):
    response = client.get(CHANGE)
    assert (response.status_code, response.url) == (302, f"/accounts/login/?next={CHANGE}")
    assert f'name="next" value="{CHANGE}"' in client.get(response.url).text
    response = client.post("/accounts/login/", {"username": ada.email, "password": PASSWORD, "next": CHANGE})
    assert response.url == CHANGE


def test_login_leads_to_no_other_site(client, ada):
    login = {"username": ada.email, "password": PASSWORD, "next": "https://elsewhere.example.com/"}
    assert client.post("/accounts/login/", login).url == "/"


def test_menu_of_the_account(client, ada):
    page = client.get("/").text
    assert 'href="/accounts/login/"' in page
    assert CHANGE not in page
    client.force_login(ada)
    page = client.get("/").text
    for part in (">Ada</summary>", ada.email, f'href="{CHANGE}"', 'action="/accounts/logout/"'):
        assert part in page


def change(client, **values):
    fields = {"old_password": PASSWORD, "new_password1": OTHER, "new_password2": OTHER}
    return client.post(CHANGE, {**fields, **values})


def test_password_change(client, ada):
    client.force_login(ada)
    assert "accounts/password_change.html" in [template.name for template in client.get(CHANGE).templates]
    response = change(client)
    assert (response.status_code, response.url) == (302, f"{CHANGE}done/")
    assert "From now on you log in with the new one." in client.get(response.url).text  # and is still logged in
    assert authenticate(username=ada.email, password=OTHER) == ada
    assert authenticate(username=ada.email, password=PASSWORD) is None


def test_password_change_logs_other_browsers_out(client, ada, django_user_model):
    other = type(client)()
    for browser in (client, other):
        browser.force_login(ada)
    change(client)
    assert other.get(CHANGE).status_code == 302


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"old_password": "wrong"}, "Your old password was entered incorrectly."),
        ({"new_password2": "a different one"}, "didn’t match"),
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": "12345678", "new_password2": "12345678"}, "entirely numeric"),
    ],
)
def test_password_that_cannot_be_changes_nothing(client, ada, values, sentence):
    client.force_login(ada)
    response = change(client, **values)
    assert response.status_code == 200
    assert sentence in response.text
    assert authenticate(username=ada.email, password=PASSWORD) == ada


def test_done_page_is_for_those_who_are_logged_in(client):
    assert client.get(f"{CHANGE}done/").url == f"/accounts/login/?next={CHANGE}done/"


def test_admin_keeps_its_own_pages(admin_client):
    for path in ("/admin/login/", "/admin/password_change/"):
        response = admin_client.get(path, follow=True)
        assert response.status_code == 200
        assert "accounts/" not in " ".join(template.name or "" for template in response.templates)

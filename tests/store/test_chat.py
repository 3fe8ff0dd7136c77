"""Who meets which agent on the shop's pages, and what guests may ask."""

import re

import pytest
from django.contrib.auth.models import Permission

from retinue.executions.models import AgentExecution
from tests.store.factories import ProductFactory

pytestmark = pytest.mark.django_db
PAGES = ["/", "/products/", "/products/category/lamps/", "/products/heron/"]


@pytest.fixture
def lamp(db):
    return ProductFactory(slug="heron", category__slug="lamps")


def chats(response):
    """The agents of the chats on a page."""
    return re.findall(r'data-testid="chat"\s+data-agent="(\w+)"', response.text)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("is_staff", "may_view", "agent"),
    [
        (False, False, "shop_guide"),
        (False, True, "shop_guide"),
        (True, False, "shop_guide"),
        (True, True, "catalogue_helper"),
    ],
)
def test_staff_meet_the_catalogue_helper_and_customers_the_guide(client, user, lamp, path, is_staff, may_view, agent):
    user.is_staff = is_staff
    user.save()
    if may_view:
        user.user_permissions.add(Permission.objects.get(codename="view_product"))
    client.force_login(user)
    assert chats(client.get(path)) == [agent]


@pytest.mark.parametrize("path", PAGES)
def test_guests_meet_the_guide(client, lamp, path):
    response = client.get(path)
    assert chats(response) == ["shop_guide"]
    assert "sessionid" not in response.cookies  # who only looks is nobody yet


@pytest.mark.parametrize("path", ["/accounts/login/", "/products/unknown/"])
def test_other_pages_have_no_chat(client, path):
    assert chats(client.get(path)) == []


def test_header_leads_to_the_assistant(client, user):
    assert 'href="/ai/"' in client.get("/").text
    assert client.get("/ai/").url == "/accounts/login/?next=/ai/"
    client.force_login(user)
    assert 'data-testid="chat"' in client.get("/ai/").text


def test_assistant_has_the_shops_look(client, user):
    client.force_login(user)
    for path in ("/ai/", "/ai/history/", "/ai/sessions/"):
        page = client.get(path).text
        assert "/static/store/colours.css" in page
        assert page.index("retinue_assistant/chat.css") < page.index("store/colours.css")
        assert '<a class="rt-brand" href="/">' in page


def ask(client, agent):
    message = {"prompt": "Which lamps are there?", "agent": agent}
    return client.post("/ai/ask/", message, headers={"Accept": "application/json"})


@pytest.mark.django_db(transaction=True)
def test_guest_may_ask_the_guide(client):
    response = ask(client, "shop_guide")
    assert response.status_code == 202
    execution = AgentExecution.objects.get(pk=response.json()["query_id"])
    assert (execution.agent_name, execution.principal_type, execution.user) == ("shop_guide", "guest", None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("agent", ["catalogue_helper", "content_analyzer", "assistant"])
def test_guest_may_ask_nobody_else(client, agent):
    response = ask(client, agent)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert not AgentExecution.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_customer_may_not_ask_the_catalogue_helper(client, user):
    client.force_login(user)
    assert ask(client, "catalogue_helper").status_code == 403

"""What a page says and offers when the server will not do something, often because of what happened in another tab."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session

from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import delete
from retinue.sessions.models import AISession
from tests.e2e.browsing import expect
from tests.e2e.script import Gate
from tests.e2e.test_turns import clipboard
from tests.waiting import until


@pytest.fixture
def ada(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    return visitor


def test_stream_that_is_refused_for_good_says_so_at_once(site, ada):
    site.script.says("Go", ["One", Gate("end"), "."])
    ada.ask("Go")
    ada.sees("running", "One")
    site.server.kill()
    expect(ada["connection"]).to_be_visible()
    Session.objects.all().delete()
    site.start_server()
    notice = ada.turn()["turn-error"]
    expect(notice).to_contain_text("You are logged out. Log in again to go on.")
    session = AISession.objects.get()
    expect(notice["log-in"]).to_have_attribute("href", f"/accounts/login/?next=%2Fai%2Fsession%2F{session.pk}%2F")
    expect(ada["connection"]).to_be_hidden()
    expect(ada["composer-stop"]).to_be_hidden()
    expect(ada.turn()["answer"]).to_have_text("One")
    ada.forgive("401", "net::")
    site.forgive()


def test_message_is_sent_although_the_token_is_out_of_date(site, ada):
    ada.context.clear_cookies(name="csrftoken")
    ada.ask("Go")
    ada.sees("completed", "You said: Go")
    ada.forgive("403")
    site.forgive()


def test_message_of_somebody_who_was_logged_out(site, ada):
    Session.objects.all().delete()
    ada.ask("Go")
    expect(ada.turn()["log-in"]).to_have_attribute("href", "/accounts/login/?next=%2Fai%2F")
    expect(ada.turn()["try-again"]).to_be_visible()
    assert not AgentExecution.objects.exists()
    ada.forgive("401")
    site.forgive()


def test_message_is_not_sent_for_somebody_else_who_has_logged_in_since(site, ada, django_user_model):
    django_user_model.objects.create_superuser("bob", "bob@example.com", "a good password")
    tab = ada.context.new_page()
    tab.goto("/admin/login/?next=/ai/")
    tab.locator("[name=username]").fill("bob")
    tab.locator("[name=password]").fill("a good password")
    tab.locator("[type=submit]").click()
    expect(tab["logout"]).to_contain_text("bob")
    ada.ask("Go")
    expect(ada.turn()["turn-error"]).to_contain_text("You are logged out. Log in again to go on.")
    expect(ada.turn()["log-in"]).to_be_visible()
    assert not AgentExecution.objects.exists()
    ada.forgive("403")
    site.forgive()


def test_message_to_a_conversation_that_was_deleted_begins_a_new_one(site, ada):
    ada.ask("One")
    ada.sees("completed", "You said: One")
    delete(AISession.objects.get())
    ada.ask("Two")
    expect(ada.turn()["turn-error"]).to_contain_text("This conversation is closed or deleted.")
    ada.turn()["try-again"].click()
    ada.sees("completed", "You said: Two")
    expect(ada["turn"]).to_have_count(1)
    assert ada.page.url.endswith(f"/ai/session/{AISession.objects.get().pk}/")
    ada.forgive("404")
    site.forgive()


@pytest.fixture
def other(ada, visit, person):
    """Another tab of hers, which has sent the second message of a conversation."""
    ada.ask("One")
    ada.sees("completed", "You said: One")
    visitor = visit(person)
    visitor.open(f"/ai/session/{AISession.objects.get().pk}/")
    visitor.ask("Two")
    visitor.sees("completed", "You said: Two")
    return visitor


def test_message_of_another_tab_appears_with_the_next(site, ada, other):
    ada.ask("Three")
    ada.sees("completed", "You said: Three")
    expect(ada["prompt"]).to_have_text(["One", "Two", "Three"])
    expect(ada["regenerate"].locator("visible=true")).to_have_count(1)
    other.turn()["regenerate"].click()
    expect(other["turn-error"]).to_contain_text("Only the last message of the session can be edited or answered anew.")
    expect(other["prompt"]).to_have_text(["One", "Two", "Three"])
    other.forgive("400")
    site.forgive()


def test_answer_that_is_complete_before_the_page_has_looked_at_it(ada, other):
    """No stream tells its end. What else is new appears as it does with one."""
    before = ada["quota"].first.inner_text()
    release = ada.hold("**/*?fragment")
    ada.ask("Three")
    until(lambda: AgentExecution.objects.filter(status="completed").count() == 3)
    release()
    expect(ada["prompt"]).to_have_text(["One", "Two", "Three"])
    ada.sees("completed", "You said: Three")
    expect(ada["quota"].first).not_to_have_text(before, use_inner_text=True)


def test_answer_is_copied_while_it_comes(site, ada):
    site.script.says("Go", [Gate("begin"), "*One*, two", Gate("end"), "."])
    ada.ask("Go")
    expect(ada["copy-answer"]).to_be_hidden()
    site.script.open("begin")
    ada.sees("running", "One, two")
    ada["copy-answer"].click()
    expect(ada["status"]).to_contain_text("Copied")
    assert clipboard(ada) == "*One*, two"
    site.script.open("end")
    ada.sees("completed", "One, two.")


def test_frame_of_a_new_conversation_is_that_of_the_conversation(ada):
    ada.ask("Tell me about lamps")
    ada.sees("completed", "You said: Tell me about lamps")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Tell me about lamps")
    expect(ada.page.locator("header")["session-menu"]).to_be_visible()
    expect(ada.page).to_have_title("Tell me about lamps · Assistant")

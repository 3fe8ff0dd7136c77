"""Without JavaScript everything that matters works with plain forms."""

from __future__ import annotations

import pytest

from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession
from tests.e2e.browsing import expect
from tests.e2e.script import Call, Gate
from tests.shop.models import Product


@pytest.fixture
def ada(visit, person):
    visitor = visit(person, scripts=False)
    visitor.open("/ai/")
    return visitor


def test_question_gets_its_answer(site, ada):
    site.script.says("Go", "It is *done*.")
    ada.ask("Go")
    ada.sees("completed", "It is done.")
    ada.ask("More")
    ada.sees("completed", "You said: More")
    expect(ada["turn"]).to_have_count(2)
    assert AISession.objects.count() == 1


def test_answer_is_rated_and_asked_for_again_and_the_question_changed(site, ada):
    ada.ask("Go")
    ada.sees("completed", "You said: Go")
    ada.turn()["rating-up"].click()
    expect(ada.turn()["rating-up"]).to_have_attribute("aria-pressed", "true")
    site.script.says("Go", "Something else.")
    ada.turn()["regenerate"].click()
    ada.sees("completed", "Something else.")
    ada.turn()["edit"].click()
    ada["edit-prompt"].fill("Go on")
    ada["edit-send"].click()
    ada.sees("completed", "You said: Go on")
    expect(ada["turn"]).to_have_count(1)
    assert AgentExecution.objects.filter(rating=1).count() == 1


def test_running_answer_is_stopped(site, ada):
    site.script.says("Go", ["One, ", Gate("never")])
    ada.page.get_by_test_id("composer-input").fill("Go")
    ada["send"].click(no_wait_after=True)
    from tests.waiting import until

    session = until(lambda: AISession.objects.first())
    ada.reopen(f"/ai/session/{session.pk}/")
    ada.turn()["stop"].click()
    expect(ada.turn()).to_have_attribute("data-status", "cancelled")


def test_call_is_approved(site, ada):
    Product.objects.create(name="lamp", stock=1)
    site.script.says("Go", [Call("set_stock", name="lamp", stock=7)], "Done.")
    ada.ask("Go")
    expect(ada.turn()).to_have_attribute("data-status", "waiting")
    ada.turn()["approve"].click()
    expect(ada.turn()["tool-call"]).to_have_attribute("data-outcome", "success")
    assert Product.objects.get().stock == 7


def test_conversation_is_renamed_and_deleted(ada):
    ada.ask("Go")
    ada.sees("completed", "You said: Go")
    ada["session-menu"].first.click()
    ada["rename"].first.click()
    ada["rename-title"].first.fill("Renamed")
    ada["rename-title"].first.press("Enter")
    expect(ada["session-link"].first).to_contain_text("Renamed")
    ada["session-menu"].first.click()
    ada["delete"].first.click()
    ada["confirm-delete"].click()
    expect(ada["session-link"]).to_have_count(0)
    assert not AISession.objects.exists()

"""Who may decide on a call decides in the chat."""

from __future__ import annotations

import pytest

from tests.e2e.browsing import expect
from tests.e2e.script import Call
from tests.shop.models import Product
from tests.waiting import until

QUESTION = "Count the lamps."
WATCH_FORM = """
new MutationObserver(() => {
    const isThere = Boolean(document.querySelector("[data-rt-approval] form"));
    if (window.wasThere && !isThere) window.wasGone = true;
    window.wasThere ||= isThere;
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture
def ada(site, visit, person):
    """Someone whose question led to a call that waits for her."""
    Product.objects.create(name="lamp", stock=1)
    site.script.says(QUESTION, ["I set it. ", Call("set_stock", name="lamp", stock=7)], "That is done.")
    visitor = visit(person)
    visitor.open("/ai/")
    visitor.ask(QUESTION)
    expect(visitor.turn()).to_have_attribute("data-status", "waiting")
    return visitor


def test_call_waits_with_its_arguments_and_runs_once_approved(ada):
    approval = ada.turn()["approval"]
    expect(ada.turn()["tool-arguments"]).to_be_visible()
    expect(ada.turn()["tool-arguments"]).to_contain_text('"stock": 7')
    assert Product.objects.get().stock == 1
    approval["approve"].click()
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["answer-text"]).to_have_text(["I set it.", "That is done."])
    expect(ada["tool-call"]).to_have_attribute("data-outcome", "success")
    expect(ada["approval"]).to_have_count(0)
    assert Product.objects.get().stock == 7


def test_question_of_the_page_stays_while_the_stream_tells_what_came_before(ada):
    """It is not taken away to be fetched again: it is there although nothing can be fetched."""
    release = ada.hold("**/*?fragment")
    ada.context.add_init_script(WATCH_FORM)
    ada.page.reload()
    expect(ada["answer-text"].and_(ada.page.locator("[data-source]"))).to_have_count(0)  # the stream's, not the page's
    expect(ada.turn()["tool-call"]["approve"]).to_be_visible()
    expect(ada.turn()["tool-call"].get_by_text("waits for a decision", exact=True)).to_be_visible()
    expect(ada["approval"]).to_have_count(1)
    assert ada.page.evaluate("[window.wasThere, window.wasGone]") == [True, None]
    ada.turn()["approve"].click()
    until(lambda: Product.objects.get().stock == 7)
    expect(ada["approval"]).to_have_count(0)
    release()
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["answer-text"]).to_have_text(["I set it.", "That is done."])


def test_denied_call_does_not_run(ada):
    ada.page.reload()
    approval = ada.turn()["approval"]
    approval["approval-note"].fill("I count myself.")
    approval["deny"].click()
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["tool-call"]).to_have_attribute("data-outcome", "denied")
    assert Product.objects.get().stock == 1


def test_second_browser_sees_the_decision(ada, visit, person):
    other = visit(person)
    other.open(ada.page.url)
    expect(other.turn()["approval"]).to_be_visible()
    ada.turn()["approve"].click()
    expect(other.turn()).to_have_attribute("data-status", "completed")
    expect(other["approval"]).to_have_count(0)
    expect(other["tool-call"]).to_have_count(1)


def test_who_may_look_but_not_decide_is_told_that_it_waits(ada, visit, grant, django_user_model):
    auditor = django_user_model.objects.create_user("vera", is_staff=True)
    grant(auditor, "retinue.view_aisession")
    other = visit(auditor)
    other.open(ada.page.url)
    expect(other.turn()["approval-waits"]).to_be_visible()
    expect(other["approve"]).to_have_count(0)

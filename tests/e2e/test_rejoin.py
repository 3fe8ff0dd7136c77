"""An answer that streams can be left and joined again, whatever goes away meanwhile."""

from __future__ import annotations

import pytest

from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession
from tests.e2e.browsing import expect
from tests.e2e.script import Call, Gate
from tests.e2e.site import SHORT
from tests.shop.models import Product

QUESTION = "Where is the lamp?"
FIRST, NEXT, LAST = "The lamp hangs ", "over the *long* table, ", "and it is on."
SHOWN_FIRST, SHOWN_NEXT, SHOWN = (
    "The lamp hangs",
    "The lamp hangs over the long table,",
    "The lamp hangs over the long table, and it is on.",
)


pytestmark = pytest.mark.database  # what is told anew is read from it


@pytest.fixture
def ada(site, visit, person):
    """Someone who has asked and reads the beginning of the answer."""
    site.script.says(QUESTION, [FIRST, Gate("next"), NEXT, Gate("last"), LAST])
    visitor = visit(person)
    visitor.open("/ai/")
    visitor.ask(QUESTION)
    visitor.sees("running", SHOWN_FIRST)
    return visitor


def path_of_session():
    return f"/ai/session/{AISession.objects.get().pk}/"


def finish(site, *visitors):
    """Let the model end, and see that everyone has the whole answer, and no more than that."""
    site.script.open("last")
    for visitor in visitors:
        visitor.sees("completed", SHOWN)
        assert visitor["turn"].count() == 1
    assert AgentExecution.objects.get().answer == FIRST + NEXT + LAST


def test_closed_tab_is_opened_again_in_the_middle_of_an_answer(site, ada):
    ada.page.close()
    site.script.open("next")
    ada.reopen(path_of_session())
    ada.sees("running", SHOWN_NEXT)
    finish(site, ada)
    ada.page.reload()
    ada.sees("completed", SHOWN)


def test_second_browser_watches_the_same_answer(site, ada, visit, person):
    other = visit(person)
    other.open(path_of_session())
    other.sees("running", SHOWN_FIRST)
    site.script.open("next")
    for visitor in (ada, other):
        visitor.sees("running", SHOWN_NEXT)
    finish(site, ada, other)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_web_server_is_restarted_while_the_run_is_in_a_worker(site, ada, visit, person, end):
    getattr(site.server, end)()
    expect(ada["connection"]).to_be_visible()
    site.script.open("next")
    site.start_server()
    ada.sees("running", SHOWN_NEXT)
    expect(ada["connection"]).to_be_hidden()
    late = visit(person)
    late.open(path_of_session())
    late.sees("running", SHOWN_NEXT)
    finish(site, ada, late)
    ada.forgive("ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY")
    site.forgive()


def test_killed_worker_s_half_answer_is_asked_for_again(site, visit, person):
    Product.objects.create(name="lamp", stock=7)
    site.worker.stop()
    worker = site.start_worker(**SHORT)
    look = ["Let me look. ", Call("find_product", name="lamp")]
    site.script.says(QUESTION, look, [FIRST, Gate("next"), NEXT, Gate("last"), LAST])
    ada, other = visit(person), visit(person)
    ada.open("/ai/")
    ada.ask(QUESTION)
    expect(ada.turn()["answer-text"].last).to_have_text(SHOWN_FIRST)
    other.open(path_of_session())
    expect(other.turn()["resumed"]).to_be_hidden()

    worker.kill()
    site.start_worker(**SHORT)
    for visitor in (ada, other):
        expect(visitor.turn()["resumed"]).to_be_visible()
        expect(visitor.turn()["answer-text"]).to_have_text(["Let me look.", SHOWN_FIRST])
    site.script.open("next")
    site.script.open("last")
    late = visit(person)
    for visitor in (ada, other, late):
        if visitor is late:
            late.open(path_of_session())
        expect(visitor.turn()).to_have_attribute("data-status", "completed")
        expect(visitor.turn()["answer-text"]).to_have_text(["Let me look.", SHOWN])
        expect(visitor.turn()["tool-call"]).to_have_count(1)
        expect(visitor.turn()["resumed"]).to_be_visible()

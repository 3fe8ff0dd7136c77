"""What can be done with an answer: stop, ask again, edit, rate, copy; and a second question while the first runs."""

from __future__ import annotations

import pytest

from retinue.executions.models import AgentExecution
from tests.e2e.browsing import expect
from tests.e2e.script import Call, Gate
from tests.shop.models import Product
from tests.waiting import until


@pytest.fixture
def ada(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    return visitor


def clipboard(visitor):
    return visitor.page.evaluate("navigator.clipboard.readText()")


def test_stopped_answer_keeps_what_was_said(site, ada):
    site.script.says("Go", ["One, two, ", Gate("never"), "three."])
    ada.ask("Go")
    ada.sees("running", "One, two,")
    ada["composer-stop"].click()
    ada.sees("cancelled", "One, two,")
    expect(ada.turn()["stop"]).to_be_hidden()
    ada.page.reload()
    ada.sees("cancelled", "One, two,")
    ada.ask("And now?")
    ada.sees("completed", "You said: And now?")


def test_tool_calls_show_their_arguments_and_results(site, ada):
    Product.objects.create(name="lamp", price="9.50", stock=7)
    site.script.says("Go", ["Looking. ", Call("find_product", name="lamp")], [Gate("end"), "Seven."])
    ada.ask("Go")
    call = ada["tool-call"]
    expect(call).to_have_attribute("data-outcome", "success")
    expect(call["tool-arguments"]).to_be_hidden()
    call.locator("summary").click()
    expect(call["tool-arguments"]).to_have_text('{\n  "name": "lamp"\n}', use_inner_text=True)
    expect(call["tool-result"]).to_contain_text('"stock": 7')
    site.script.open("end")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["answer-text"]).to_have_text(["Looking.", "Seven."])
    ada.page.reload()
    expect(ada["answer-text"]).to_have_text(["Looking.", "Seven."])
    expect(ada["tool-call"]).to_have_count(1)


def test_second_question_waits_for_its_turn(site, ada):
    site.script.says("First", ["One", Gate("end"), "."])
    ada.ask("First")
    ada.sees("running", "One")
    ada.ask("Second")
    expect(ada["turn"]).to_have_count(2)
    expect(ada.turn()).to_have_attribute("data-status", "queued")
    site.script.open("end")
    ada.sees("completed", "One.", 0)
    ada.sees("completed", "You said: Second")


def test_answer_is_regenerated_and_the_earlier_one_kept(site, ada):
    site.script.says("Go", "The first answer.")
    ada.ask("Go")
    ada.sees("completed", "The first answer.")
    site.script.says("Go", ["Another ", Gate("end"), "answer."])
    ada.turn()["regenerate"].click()
    ada.sees("running", "Another")
    expect(ada["turn"]).to_have_count(1)
    expect(ada.turn()["version"]).to_have_count(0)
    ada.turn()["versions"].locator("summary").first.click()
    expect(ada.turn()["version"]).to_contain_text("The first answer.")
    site.script.open("end")
    ada.sees("completed", "Another answer.")
    expect(ada.turn()["version"]).to_contain_text("The first answer.")


def test_edited_question_is_asked_again_and_the_earlier_one_kept(site, ada):
    ada.ask("What is a lmap?")
    ada.sees("completed", "You said: What is a lmap?")
    ada.turn()["edit"].click()
    ada["edit-prompt"].fill("What is a lamp?")
    ada["edit-send"].click()
    ada.sees("completed", "You said: What is a lamp?")
    expect(ada["turn"]).to_have_count(1)
    expect(ada.turn()["prompt"]).to_contain_text("What is a lamp?")
    ada.page.reload()
    ada.sees("completed", "You said: What is a lamp?")
    ada.turn()["versions"].locator("summary").first.click()
    expect(ada.turn()["version"]).to_contain_text("What is a lmap?")


def test_characters_of_an_edited_question_are_counted(ada):
    ada.ask("Go")
    ada.sees("completed", "You said: Go")
    turn = ada.turn()
    turn["edit"].click()
    expect(turn["edit-prompt"]).to_be_focused()
    expect(turn["edit-counter"]).to_be_hidden()
    turn["edit-prompt"].fill("x" * 1800)
    expect(turn["edit-counter"]).to_have_text("1800 / 2000")
    turn["edit-prompt"].fill("x" * 2001)
    expect(turn["edit-counter"]).to_have_text("2001 / 2000")
    expect(turn["edit-error"]).to_have_text("A message may have at most 2000 characters.")
    expect(turn["edit-send"]).to_be_disabled()
    turn["edit-prompt"].press("Enter")
    turn["edit-cancel"].click()
    turn["edit"].click()
    expect(turn["edit-prompt"]).to_have_value("Go")
    expect(turn["edit-counter"]).to_be_hidden()
    expect(turn["edit-error"]).to_be_hidden()
    expect(turn["edit-send"]).to_be_enabled()
    assert AgentExecution.objects.count() == 1


def test_editing_can_be_left(ada):
    ada.ask("Go")
    ada.sees("completed", "You said: Go")
    ada.turn()["edit"].click()
    ada["edit-prompt"].fill("Stay")
    ada["edit-cancel"].click()
    expect(ada["edit-prompt"]).to_be_hidden()
    expect(ada.turn()["prompt"]).to_contain_text("Go")
    assert AgentExecution.objects.count() == 1


def test_rating_and_its_note_are_kept(ada):
    ada.ask("Go")
    ada.sees("completed", "You said: Go")
    ada.turn()["rating-down"].click()
    expect(ada.turn()["rating-down"]).to_have_attribute("aria-pressed", "true")
    ada.turn()["rating-note"].fill("Too short.")
    ada.turn()["rating-send"].click()
    expect(ada["status"]).to_contain_text("Thank")
    ada.page.reload()
    expect(ada.turn()["rating-down"]).to_have_attribute("aria-pressed", "true")
    expect(ada.turn()["rating-note"]).to_have_value("Too short.")
    execution = AgentExecution.objects.get()
    assert (execution.rating, execution.rating_note) == (-1, "Too short.")


def test_answers_and_code_are_copied(site, ada):
    answer = "Run *this*:\n\n```python\nprint(1)\n```\n"
    site.script.says("Go", answer)
    ada.ask("Go")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    ada.turn()["copy-code"].click()
    assert clipboard(ada).strip() == "print(1)"
    ada.turn()["copy-answer"].click()
    assert clipboard(ada).strip() == answer.strip()


def test_failed_turn_says_so_and_can_be_tried_again(site, ada):
    site.script.says("Go", [Call("no_such_tool")], [Call("no_such_tool")], [Call("no_such_tool")])
    ada.ask("Go")
    expect(ada.turn()).to_have_attribute("data-status", "failed")
    expect(ada.turn()["turn-error"]).to_be_visible()
    until(site.log)  # the worker logs why
    site.forgive()
    site.script.says("Go", "Now it works.")
    ada.turn()["try-again"].click()
    ada.sees("completed", "Now it works.")

"""What an empty chat offers to ask."""

from __future__ import annotations

from retinue.executions.models import AgentExecution
from tests.e2e.browsing import expect
from tests.e2e.conftest import EXAMPLES


def test_example_is_put_into_the_field_and_can_be_changed_before_it_is_sent(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    expect(visitor["example"]).to_have_text(EXAMPLES)
    visitor["example"].nth(1).click()
    expect(visitor["composer-input"]).to_have_value(EXAMPLES[1])
    expect(visitor["composer-input"]).to_be_focused()
    assert not AgentExecution.objects.exists()
    visitor.page.keyboard.type(" Please.")
    visitor.page.keyboard.press("Enter")
    visitor.sees("completed", f"You said: {EXAMPLES[1]} Please.")
    expect(visitor["example"].first).to_be_hidden()


def test_example_is_a_draft_like_any_other(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    visitor["example"].first.click()
    visitor.page.reload()
    expect(visitor["composer-input"]).to_have_value(EXAMPLES[0])


def test_examples_are_not_shown_where_nothing_would_come_of_them(visit, person):
    visitor = visit(person, scripts=False)
    visitor.open("/ai/")
    expect(visitor["example"]).to_have_count(len(EXAMPLES))
    expect(visitor["example"].first).to_be_hidden()

"""A whole visit with nothing but a keyboard."""

from __future__ import annotations

from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession
from tests.e2e.browsing import expect
from tests.e2e.keyboard import Keyboard
from tests.e2e.script import Gate
from tests.store.e2e.conftest import PASSWORD


def test_visit_by_keyboard(site, visit, person):
    site.script.says("Where is the lamp?", ["The lamp ", Gate("never")])
    visitor = visit()
    page, keys = visitor.open("/ai/"), Keyboard(visitor.page)

    # Log in: the page asks for it, and comes back.
    keys.type(person.email, at="username")
    keys.type(PASSWORD, at="password")
    keys.press("Enter")
    # Enter sends from the moment on at which the page's scripts are there; before, it begins a new line.
    expect(page.locator(".rt-live")).to_be_visible()

    # Ask, read, stop.
    keys.type("Where is the lamp?", at="composer-input")
    keys.press("Enter")
    visitor.sees("running", "The lamp")
    keys.press("Enter", at="composer-stop")
    visitor.sees("cancelled", "The lamp")

    # Ask again: what was said is announced.
    keys.type("And now?", at="composer-input")
    keys.press("Enter")
    visitor.sees("completed", "You said: And now?")
    expect(visitor["status"].first).not_to_be_empty()

    # Rate.
    page.reload()
    keys.press("Enter", at="rating-up")
    expect(visitor["rating-up"].first).to_have_attribute("aria-pressed", "true")

    # Rename.
    keys.press("Enter", at="session-menu")
    keys.press("Enter", at="rename")
    keys.press("Control+A", at="rename-title")
    keys.type("Lamps")
    keys.press("Enter")
    expect(visitor["session-link"].first).to_contain_text("Lamps")

    # Log out.
    keys.press("Enter", at="logout")
    expect(page.get_by_role("link", name="Log in").first).to_be_visible()

    assert AISession.objects.get().title == "Lamps"
    assert AgentExecution.objects.filter(rating=1).count() == 1

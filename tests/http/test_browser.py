"""The stream in a real browser, with the script that the documentation gives."""

import pytest

from tests.e2e.browsing import BrowserThread, expect
from tests.http.agents import STORY, WORDS, narrator
from tests.http.streams import EVENTFUL, EVENTFUL_TEXT, record


@pytest.fixture(scope="module")
def browser():
    thread = BrowserThread()
    yield thread
    thread.close()


@pytest.fixture
def page(browser, site, session_of, ada):
    context = browser.browser.new_context(base_url=site.url)
    context.add_cookies([{"name": "sessionid", "value": session_of(ada), "url": site.url}])
    yield context.new_page()
    context.close()


def test_answer_grows_as_it_is_told(page, ada, tmp_path):
    execution = narrator.enqueue("Tell me a story.", user=ada, stream=True)
    page.goto(f"/executions/{execution.pk}/")
    expect(page.locator("#answer")).to_have_text("".join(WORDS[:20]).strip())
    (tmp_path / "go").touch()
    expect(page.locator("#answer")).to_have_text(STORY.strip())


def test_what_is_taken_back_goes(page, ada):
    execution, _ = record(EVENTFUL, ada)
    page.goto(f"/executions/{execution.pk}/")
    expect(page.locator("#answer")).to_have_text("".join(EVENTFUL_TEXT))


def test_browser_that_has_the_end_gives_up(page, ada):
    execution, recorded = record(EVENTFUL, ada)
    page.goto(f"/executions/{execution.pk}/")
    address = f"/executions/{execution.pk}/events/?after={recorded[-1][0]}"
    page.evaluate("address => { window.late = new EventSource(address) }", address)
    page.wait_for_function("window.late.readyState === EventSource.CLOSED")


def test_browser_whose_connection_breaks_goes_on_where_it_was(page, ada):
    """The server closes after the end, too: the browser comes back by itself, and is told that there is no more."""
    execution, recorded = record(EVENTFUL, ada)
    page.goto(f"/executions/{execution.pk}/")
    page.evaluate(
        "address => { window.seen = []; window.events = new EventSource(address);"
        "for (const kind of ['state', 'text', 'reset', 'final'])"
        "  window.events.addEventListener(kind, (event) => window.seen.push(event.lastEventId)) }",
        f"/executions/{execution.pk}/events/",
    )
    page.wait_for_function("window.events.readyState === EventSource.CLOSED")
    listened = ("state", "text", "reset", "final")
    assert page.evaluate("window.seen") == [str(id) for id, kind, _ in recorded if kind in listened]

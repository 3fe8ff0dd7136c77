"""Every page, wide and narrow, light and dark: nothing sticks out, nothing is refused, everybody can use it."""

from __future__ import annotations

import pytest

from retinue.sessions.models import AISession
from tests.e2e import gallery
from tests.e2e.browsing import expect
from tests.e2e.looks import faults, too_wide
from tests.e2e.visitor import DESKTOP, PHONE


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_fit_and_are_accessible(site, visit, person, size, dark):
    empty = visit(person, size=size, dark=dark)
    empty.open("/ai/")
    assert (too_wide(empty.page), faults(empty.page)) == ([], [])

    session = gallery.hang(site, person)
    first, second, last = session.executions.order_by("created_at")
    session.executions.filter(pk=second.pk).update(replaces=first)
    visitor = visit(person, size=size, dark=dark)
    for path in (
        "/ai/",
        f"/ai/session/{session.pk}/",
        f"/ai/session/{session.pk}/?replaced",
        f"/ai/executions/{first.pk}/",
        f"/ai/executions/{last.pk}/",
        f"/ai/session/{session.pk}/delete/",
        "/ai/sessions/?q=lamp",
        "/ai/history/",
        "/ai/history/?status=failed",
    ):
        page = visitor.open(path)
        for details in page.locator("main details").all():
            details.evaluate("details => details.open = true")
        assert (path, too_wide(page), faults(page)) == (path, [], [])


def test_open_menus_are_accessible(site, visit, person):
    session = gallery.hang(site, person)
    visitor = visit(person, size=PHONE)
    visitor.open(f"/ai/session/{session.pk}/")
    visitor["menu"].click()
    expect(visitor["sidebar"]).to_be_in_viewport()
    visitor["session-menu"].first.click()
    assert (too_wide(visitor.page), faults(visitor.page)) == ([], [])


def test_history_counts_and_pages(site, visit, person):
    gallery.hang(site, person)
    visitor = visit(person)
    visitor.open("/ai/history/")
    expect(visitor["history-row"]).to_have_count(7)
    visitor.open("/ai/history/?status=failed")
    expect(visitor["history-row"]).to_have_count(1)
    visitor.open("/ai/")
    expect(visitor["stat-total-queries"]).to_contain_text("7")
    expect(visitor["stat-active-sessions"]).to_contain_text("5")


def test_new_chat_on_a_phone_begins_at_its_top(site, visit, person):
    gallery.hang(site, person)
    visitor = visit(person, size=PHONE)
    visitor.open("/ai/")
    expect(visitor.page.get_by_text("What can I do for you?")).to_be_in_viewport()
    visitor.open(f"/ai/session/{AISession.objects.latest('created_at').pk}/")
    expect(visitor["approval"]).to_be_in_viewport()

"""A site takes over the templates block by block: in its own folder, each begins from the original."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from django.template import Context, Template
from django.test import RequestFactory

from retinue import assistant as package

FOLDER = Path(package.__file__).parent / "templates" / "retinue_assistant"


@pytest.fixture
def override(settings, tmp_path):
    """Puts a template into the site's folder that says something else in one block."""
    configured = deepcopy(settings.TEMPLATES)
    configured[0]["DIRS"] = [tmp_path]
    settings.TEMPLATES = configured

    def write(name, block, text):
        file = tmp_path / "retinue_assistant" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'{{% extends "retinue_assistant/{name}" %}}{{% block {block} %}}{text}{{% endblock %}}')

    return write


@pytest.mark.parametrize("template", sorted(FOLDER.glob("*.html")), ids=lambda template: template.name)
def test_template_is_made_of_blocks(template):
    assert "{% block " in template.read_text()


def test_block_of_a_page(browser, override):
    override("history.html", "history_total", "<p>It is on the house.</p>")
    html = browser.get("history").content.decode()
    assert "<p>It is on the house.</p>" in html
    assert 'data-testid="history-total"' not in html
    assert 'data-testid="history-filter"' in html and "There are no queries." in html


def test_block_of_a_part_of_every_page_that_shows_it(browser, talk, ada, override):
    session = talk(ada, "One", "Two")
    override("_turn.html", "turn_figures", "<p>For {{ turn.prompt }}</p>{{ block.super }}")
    html = browser.get("session_detail", session.pk).content.decode()
    figures = [html.index(text) for text in ("You said: One", "<p>For One</p>", "You said: Two", "<p>For Two</p>")]
    assert figures == sorted(figures)
    assert html.count('data-testid="usage"') == html.count('data-testid="copy-answer"') == 2
    last = session.executions.get(input_prompt="Two")
    assert "<p>For Two</p>" in browser.get("execution_detail", last.pk, fragment="").content.decode()


def test_block_of_a_chat_on_a_page(ada, assistant, override):
    override("agent_chat.html", "agent_chat", "<aside>{{ block.super }}</aside>")
    request = RequestFactory().get("/")
    request.user, request.session = ada, {}
    html = Template("{% load retinue_assistant %}{% agent_chat 'assistant' %}").render(Context({"request": request}))
    assert html.startswith("<aside><section") and html.endswith("</section>\n</aside>\n")
    assert html.count('data-testid="composer"') == 1

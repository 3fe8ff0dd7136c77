"""`{% load retinue_assistant %}`: a chat with any agent on any page, and what the assistant's templates are made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django import template
from django.conf import settings
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from retinue.agents.policy import is_permission
from retinue.agents.registry import get_agent
from retinue.assistant.asking import is_for_guests
from retinue.assistant.forms import LONGEST_PROMPT, AskForm
from retinue.assistant.icons import icon as draw
from retinue.assistant.markdown import BIDI_CONTROLS, LINKIFY
from retinue.assistant.markdown import visible as made_visible
from retinue.assistant.quotas import quotas, shown
from retinue.assistant.turns import Turn, fragment_url, turns_of
from retinue.conf import get_settings
from retinue.http.principal import request_principal
from retinue.runtime.grants import load_grants
from retinue.sessions.models import AISession

if TYPE_CHECKING:
    from django.http import HttpRequest

    from retinue.types import Principal

register = template.Library()
register.filter("visible", made_visible)
register.filter("fragment_url", fragment_url)

NEWEST = 6
"""How many messages of an earlier visit the chat on a page begins with."""


@register.inclusion_tag("retinue_assistant/agent_chat.html", takes_context=True)
def agent_chat(context: template.Context, name: str, title: str = "") -> dict[str, Any]:
    """A chat with that agent, which goes on with this person's last conversation with it until he begins another one.

    Who is not logged in and may not talk to it as a guest is asked to log in; whom it is not for sees nothing.
    Put `{% agent_chat_assets %}` once on the page. Raises UnknownAgent.
    """
    request: HttpRequest = context["request"]
    get_agent(name)
    shared = {
        "request": request,
        "user": request.user,
        "agent_name": name,
        "title": title,
        "next": request.get_full_path(),
    }
    principal = request_principal(request)
    if not request.user.is_authenticated and not is_for_guests(name):
        return shared | {"login_url": _login_url(request)}
    if principal is not None and not _may_run(principal, name):
        return shared | {"hidden": True}
    session = _last_session(principal, name)
    turns = turns_of(session, user=request.user, principal=principal, limit=NEWEST) if session else []
    return shared | {
        "widget": True,
        "session": session,
        "turns": turns,
        "quotas": quotas(principal, request.user) if principal else [],
        "purpose": get_agent(name).description,
        "form": AskForm(
            auto_id=f"rt-{uuid4().hex[:8]}-%s",  # there may be several on a page
            initial={"agent": name, "session_id": session.pk if session else None},
        ),
    }


@register.inclusion_tag("retinue_assistant/_assets.html")
def agent_chat_assets() -> dict[str, Any]:
    """The stylesheet and the scripts of chats; once on a page, best in its head."""
    return {"texts": _texts()}


@register.simple_tag
def icon(name: str) -> SafeString:
    """See assistant.icons.icon()."""
    return draw(name)


@register.simple_tag
def longest_prompt() -> int:
    """How many characters a message may have."""
    return LONGEST_PROMPT


@register.simple_tag
def example_questions(name: str) -> list[Any]:
    """What an empty chat with that agent offers to ask; without a name, with the site's assistant."""
    settings = get_settings()
    return settings.assistant_examples.get(name or settings.assistant, [])


@register.filter
def exposed(text: str) -> str:
    """The text with bidirectional controls written out, as JSON may write them: what is approved is what one reads."""
    return BIDI_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


@register.filter
def amount(value: Decimal) -> str:
    """An amount of money or credits as people read it."""
    return shown(value, ROUND_HALF_UP)


@register.filter
def left(value: Decimal) -> str:
    """What is left of an amount: never more than there is."""
    return shown(value)


@register.filter
def ago(moment: datetime) -> str:
    """How long ago that was."""
    if timezone.now() - moment < timedelta(minutes=1):
        return _("just now")
    return _("%(time)s ago") % {"time": timesince(moment)}


@register.filter
def any_running(turns: Iterable[Turn] | None) -> bool:
    """Whether an answer of these comes without anybody's doing: not one that waits for a decision."""
    return any(turn.is_open and not turn.is_waiting for turn in turns or ())


def _may_run(principal: Principal, name: str) -> bool:
    permission = get_agent(name).permission
    wanted = [permission] if permission is not None and is_permission(permission) else []
    grants = load_grants([(principal, wanted)], get_settings().database)
    return grants[principal].may_run(permission)


def _last_session(principal: Principal | None, name: str) -> AISession | None:
    if principal is None:
        return None
    sessions = AISession.objects.using(get_settings().database).of(principal).active()
    return sessions.filter(agent_name=name).order_by("-updated_at").first()


def _login_url(request: HttpRequest) -> str:
    try:
        url = resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode({'next': request.get_full_path()})}"


def _texts() -> dict[str, Any]:
    """What the scripts say."""
    return {
        "linkify": LINKIFY,
        "copy": _("Copy"),
        "copied": _("Copied."),
        "notCopied": _("This browser does not allow copying."),
        "working": _("The answer is on its way."),
        "waiting": _("A tool call waits for a decision."),
        "stopping": _("Stopping."),
        "completed": _("The answer is complete."),
        "failed": _("That did not work. Try again in a moment."),
        "cancelled": _("The answer was stopped."),
        "thanks": _("Thank you for your rating."),
        "table": _("Table"),
        "tooLong": _("A message may have at most %s characters."),
        "loggedOut": _("You are logged out. Log in again to go on."),
        "gone": _("This is not here any more. Load the page again to see what is."),
        "beginNew": _("This conversation is closed or deleted. Try again to begin a new one with your message."),
        "unreachable": _("The server cannot be reached. Check your connection and try again."),
        "reload": _("This page is out of date. Load it again."),
    }

"""What people do with a conversation as a whole."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _

from retinue.assistant.access import own_session, readable_session
from retinue.assistant.asking import agent_for
from retinue.assistant.forms import SessionForm, TitleForm, checked
from retinue.assistant.views.base import done, given, view, wants_json
from retinue.assistant.views.frame import frame
from retinue.sessions import export, lifecycle
from retinue.sessions.models import AISession
from retinue.types import Principal

FORMATS = {
    "markdown": (export.to_markdown, "text/markdown; charset=utf-8", "md"),
    "json": (export.to_json, "application/json", "json"),
}


@view("POST", key="error")
def create_session(request: HttpRequest, principal: Principal) -> HttpResponse:
    """A conversation with the site's assistant: `context` reaches it as `deps.context`."""
    asked = checked(SessionForm(given(request)))
    session = lifecycle.start_session(principal, agent_for(principal).name, context=asked["context"])
    made = {"session_id": str(session.pk), "created_at": session.created_at.isoformat()}
    return done(request, session_page(session), made)


@view("POST", guests=True)
def rename_session(request: HttpRequest, principal: Principal, session_id: UUID) -> HttpResponse:
    session = own_session(session_id, principal)
    lifecycle.rename(session, checked(TitleForm(given(request)))["title"])
    return done(request, session_page(session), {"session_id": str(session.pk), "title": session.title})


@view("GET", "HEAD", "POST", guests=True)
def delete_session(request: HttpRequest, principal: Principal, session_id: UUID) -> HttpResponse:
    session = own_session(session_id, principal)
    if request.method != "POST":
        context = {"session": session, **frame(request, principal)}
        return render(request, "retinue_assistant/session_confirm_delete.html", context)
    lifecycle.delete(session)
    if not wants_json(request):
        messages.success(request, _("The conversation is deleted."), fail_silently=True)
    return done(request, reverse("ai_assistant:session_list"), {"session_id": str(session_id), "deleted": True})


@view("GET", "HEAD", guests=True)
def export_session(request: HttpRequest, principal: Principal, session_id: UUID, kind: str) -> HttpResponse:
    """The whole conversation as a file."""
    if kind not in FORMATS:
        raise Http404(_("There is no such format."))
    session = readable_session(session_id, principal, request.user)
    write, content_type, ending = FORMATS[kind]
    name = f"{slugify(session.title) or session.pk}.{ending}"
    disposition = content_disposition_header(True, name) or "attachment"
    return HttpResponse(write(session), headers={"Content-Type": content_type, "Content-Disposition": disposition})


def session_page(session: AISession) -> str:
    """The address of a session's page."""
    return reverse("ai_assistant:session_detail", args=[session.pk])

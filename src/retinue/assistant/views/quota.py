"""What is left to use, always in sight."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from retinue.assistant.quotas import quotas
from retinue.assistant.views.base import view, wants_json
from retinue.types import Principal


@view("GET", "HEAD", guests=True)
def quota(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = quotas(principal, request.user)
    if wants_json(request):
        return JsonResponse({"quotas": [quota.as_json() for quota in found]})
    return render(request, "retinue_assistant/_quota.html", {"quotas": found})

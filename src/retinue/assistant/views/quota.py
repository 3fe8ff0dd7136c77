"""What is left to use, always in sight."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from retinue.assistant.quotas import Quota, quotas
from retinue.assistant.views.base import view, wants_json
from retinue.types import Principal


@view("GET", "HEAD", guests=True)
def quota(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = quotas(principal)
    if wants_json(request):
        return JsonResponse({"quotas": [_numbers(quota) for quota in found]})
    return render(request, "retinue_assistant/_quota.html", {"quotas": found})


def _numbers(quota: Quota) -> dict[str, object]:
    amounts = ("limit", "spent", "reserved", "available")
    return asdict(quota) | {name: float(getattr(quota, name)) for name in amounts} | {"is_used_up": quota.is_used_up}

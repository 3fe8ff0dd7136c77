"""The page that a visitor meets first."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.generic import TemplateView

from apps.home.cards import agent_cards
from apps.home.examples import EXAMPLES, manage_command
from apps.products.models import Category, Product, Review
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution

EXECUTIONS_SHOWN = 8


def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for a site's picture when a page (of the admin, say) names none."""
    return redirect(static("store/mark.svg"))


class HomeView(TemplateView):
    """What runs, what there is to see, and the commands to try."""

    template_name = "home/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        model = get_settings().model
        return super().get_context_data(
            model=model,
            is_offline=model.startswith("offline:"),
            agents=agent_cards(),
            product_count=Product.objects.published().count(),
            review_count=Review.objects.filter(product__status=Product.Status.PUBLISHED).count(),
            categories=Category.objects.filter(parent=None),
            executions=self.executions(),
            examples=EXAMPLES,
            manage=manage_command() if settings.DEBUG else "python store/manage.py",
            **kwargs,
        )

    def executions(self) -> list[AgentExecution] | None:
        """The newest runs, for staff; None for everyone else."""
        if not self.request.user.is_staff:
            return None
        visible = AgentExecution.objects.roots().for_user(self.request.user)
        return list(visible.select_related("user")[:EXECUTIONS_SHOWN])

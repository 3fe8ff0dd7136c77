"""The agent that says how customers feel."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from apps.products import lookup
from apps.products.agents.facts import quoted
from apps.products.models import Product
from retinue import DjangoAgent, DjangoDeps, RunContext
from retinue.agents import AUTHENTICATED

REVIEWS_READ = 20


class Analysis(BaseModel):
    """The tone of what customers say, and what they talk about."""

    sentiment: Literal["positive", "neutral", "negative"]
    keywords: list[str] = Field(max_length=10, description="What the text is about, the most important first.")
    confidence: float = Field(ge=0, le=1, description="How sure the judgement is: 0 to 1.")


content_analyzer = DjangoAgent[DjangoDeps, Analysis](
    "content_analyzer",
    description="Says how customers feel about a product, or about any text, and what they talk about.",
    output_type=Analysis,
    instructions=(
        "Judge the tone of what customers say, and pick its keywords. "
        "Where the question is about a product of the shop, read its reviews first and judge those; "
        "otherwise judge the text itself."
    ),
    permission=AUTHENTICATED,
    timeout=60,
)


@content_analyzer.tool(effects="none")
def get_reviews(ctx: RunContext[DjangoDeps], product: str) -> dict[str, Any]:
    """Read what customers say in their reviews about a product, newest first.

    Args:
        product: The product's name, slug or id.
    """
    found = lookup.find_product(product, Product.objects.published())
    if found is None:
        return {"product": None, "reviews": [], "note": "The shop has no product of that name."}
    return {"product": found.name, "reviews": quoted(found, REVIEWS_READ)}

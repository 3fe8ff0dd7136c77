"""The shop's agents: one judges reviews, one looks after the catalogue, one shows visitors around."""

from apps.products.agents.catalogue import catalogue_helper
from apps.products.agents.guide import shop_guide
from apps.products.agents.opinions import Analysis, content_analyzer

__all__ = ["Analysis", "catalogue_helper", "content_analyzer", "shop_guide"]

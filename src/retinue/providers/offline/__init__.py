"""The offline model: rules instead of a language model, for first steps, demonstrations and tests."""

from retinue.providers.offline.model import OfflineModel

__all__ = ["OfflineModel"]

"""Help for tests of sites that use Retinue."""

from retinue.testing.models import allow_model_requests
from retinue.testing.runs import run_queued

__all__ = ["allow_model_requests", "run_queued"]

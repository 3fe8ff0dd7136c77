"""Past conversations of the demonstration's customer, so that the assistant's history is not empty."""

from __future__ import annotations

from apps.products.agents import shop_guide
from apps.users.demo import CUSTOMER
from apps.users.models import User
from retinue.executions.models import AgentExecution
from retinue.providers.offline import OfflineModel
from retinue.sessions.lifecycle import start_session
from retinue.types import Principal

CONVERSATIONS = (
    ("Which lamps do you have?", "What do customers think of the Heron Floor Lamp?"),
    ("Which chairs are in stock?",),
)


def create_conversations() -> int:
    """Have the customer ask the shop's guide, if he never asked anything. Returns how many conversations were made."""
    user = User.objects.filter(email=CUSTOMER.email).first()
    if user is None or AgentExecution.objects.filter(user=user).exists():
        return 0
    with shop_guide.override(model=OfflineModel()):  # whatever model the shop has, and without its pauses
        for questions in CONVERSATIONS:
            session = start_session(Principal.of(user), "shop_guide")
            for question in questions:
                shop_guide.run_sync(question, user=user, session=session)
    return len(CONVERSATIONS)

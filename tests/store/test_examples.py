"""The questions that the shop's chats offer: the offline model answers each of them."""

import pytest
from django.core.management import call_command

from apps.products.models import Product
from apps.users.demo import CUSTOMER, STAFF
from apps.users.models import User
from project.settings.base import RETINUE
from retinue.agents.registry import get_agent
from retinue.approvals.models import Approval
from retinue.errors import ExecutionWaiting

pytestmark = pytest.mark.django_db(transaction=True)
ANSWERS = {
    "shop_guide": {
        "Which chairs are in stock?": "I found 5 products for “chair”:",
        "What do customers think of the Heron Floor Lamp?": "This is the review:",
        "What is the cheapest lamp?": "The cheapest: Beacon Bedside Lamp (price 79.00). I found 8 products for “lamp”:",
        "What do you have for the garden?": "I found 5 products for “garden”:",
    },
    "catalogue_helper": {
        "Which products are low in stock?": "I found 10 products:",
        "How many pieces of the Heron Floor Lamp are in stock?": "The stock of Heron Floor Lamp is 8.",
    },
}
CHANGE = "Set the price of the Heron Floor Lamp to 249.00"


def test_each_example_is_answered_or_waits_for_an_approval():
    call_command("seed_demo", logins=True, verbosity=0)
    people = {"shop_guide": CUSTOMER, "catalogue_helper": STAFF}
    given, waiting = {}, []
    for name, questions in RETINUE["ASSISTANT_EXAMPLES"].items():
        user = User.objects.get(email=people[name].email)
        given[name] = {}
        for question in map(str, questions):
            try:
                answer = get_agent(name).run_sync(question, user=user).output
            except ExecutionWaiting:
                waiting.append(question)
            else:
                given[name][question] = answer.partition("\n")[0]
    assert given == ANSWERS
    assert waiting == [CHANGE]
    lamp = Product.objects.get(slug="heron-floor-lamp")
    assert Approval.objects.get().arguments == {"product_id": str(lamp.pk), "price": 249}

"""A few conversations that show everything the pages can show."""

from __future__ import annotations

from typing import Any

from retinue.agents.registry import get_agent
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.sessions.ratings import rate
from retinue.types import Principal
from tests.e2e.script import Call, Piece
from tests.e2e.site import Site
from tests.shop.models import Product
from tests.waiting import until

PRICE_CHECK = "Is the price of the brass lamp still right?"
PLAN = "How would I raise all lamp prices by 5 %?"
COUNT = "I counted seven brass lamps. Please put that right."
PLAN_ANSWER = """You can do it in **one statement**, in a transaction of its own:

```python
from decimal import Decimal
from django.db.models import F

lamps = Product.objects.filter(name__icontains="lamp")
lamps.update(price=F("price") * Decimal("1.05"))
```

| lamp | now | then |
|---|---:|---:|
| Brass lamp | 49.00 | 51.45 |
| Reading lamp | 79.00 | 82.95 |

1. Try it on a copy first.
2. Tell the people who look after [the catalogue](https://example.com/catalogue).

> Prices with more than two decimals are rounded when they are stored.
"""


def hang(site: Site, user: Any) -> AISession:
    """Hold the conversations; give the one to look at. Its last turn waits for an approval."""
    Product.objects.create(name="Brass lamp", price="49.00", stock=3)
    for old in ("Which shelves are out of stock?", "Write a text for the new oak table", "Shipping times to Norway"):
        _asked(site, user, start_session(Principal.of(user), "helper"), old, ["I will look into that."])
    broken = start_session(Principal.of(user), "helper")
    _asked(site, user, broken, "Compare our lamps", *[[Call("compare")]] * 5, ends=Status.FAILED)
    until(site.log)  # the worker logs why
    site.forgive()
    session = start_session(Principal.of(user), "helper")
    price = [Call("find_product", name="Brass lamp")], ["Yes: the brass lamp costs **49.00**, and 3 are in stock."]
    rate(_asked(site, user, session, PRICE_CHECK, *price), 1, "", by=user)
    _asked(site, user, session, PLAN, [PLAN_ANSWER])
    count = ["I set the stock to 7. ", Call("set_stock", name="Brass lamp", stock=7)], ["The stock is 7 now."]
    _asked(site, user, session, COUNT, *count, ends=Status.WAITING)
    return session


def _asked(
    site: Site, user: Any, session: AISession, prompt: str, *answers: list[Piece], ends: str = Status.COMPLETED
) -> AgentExecution:
    site.script.says(prompt, *answers)
    execution: AgentExecution = get_agent("helper").enqueue(prompt, user=user, session=session, stream=True)
    until(lambda: AgentExecution.objects.filter(pk=execution.pk, status=ends).exists())
    execution.refresh_from_db()
    return execution

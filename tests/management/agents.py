"""Agents for the tests of the commands."""

import time
from decimal import Decimal

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from tests.scripted import call, scripted


def pricer(model=None):
    """An agent with a tool that looks and one that a person must agree to."""
    agent = DjangoAgent("pricer", permission=AUTHENTICATED, model=model)

    @agent.tool(effects="none")
    def look(ctx: RunContext[DjangoDeps], name: str) -> dict[str, object]:
        """Look a product up."""
        return {"name": name, "price": "9.50"}

    @agent.tool(approval=True)
    def set_price(ctx: RunContext[DjangoDeps], product: str, price: Decimal) -> str:
        """Set a price."""
        return f"{product} costs {price}"

    return agent


def asking():
    """One that looks, and then asks for a price."""
    return pricer(
        scripted(
            [call("look", name="lamp")],
            [call("set_price", call_id="c2", product="lamp", price="12.00")],
            "It is done.",
        )
    )


def sleeper():
    """One whose tool says that it began, and sleeps."""
    agent = DjangoAgent("sleeper", permission=AUTHENTICATED, model=scripted([call("sleep")], "awake"))

    @agent.tool(effects="none")
    def sleep(ctx: RunContext[DjangoDeps]) -> str:
        print(f"asleep {ctx.deps.execution_id}", flush=True)  # noqa: T201 (what the tests wait for)
        time.sleep(600)
        return ""

    return agent

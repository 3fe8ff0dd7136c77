"""Agents inside a site's ordinary test cases."""

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import TestCase, TransactionTestCase
from pydantic import BaseModel
from pydantic_ai.models.test import TestModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.errors import TransactionOpen
from retinue.executions.models import AgentExecution
from retinue.testing import allow_model_requests, run_queued
from tests.scripted import call, scripted
from tests.shop.agents import clerk
from tests.shop.models import Note, Product


class Analysis(BaseModel):
    sentiment: str
    keywords: list[str]
    confidence: float


def counter(model):
    agent = DjangoAgent("counter", permission=AUTHENTICATED, model=model)

    @agent.tool
    def count(ctx: RunContext[DjangoDeps]) -> int:
        Note.objects.create(execution="x", label="counted")
        return Product.objects.count()

    @agent.tool(effects="none")
    async def name(ctx: RunContext[DjangoDeps]) -> str:
        product = await Product.objects.aget()
        return product.name

    @agent.tool(effects="database")
    async def count_async(ctx: RunContext[DjangoDeps]) -> int:
        await Note.objects.acreate(execution="x", label="counted")
        return await Product.objects.acount()

    return agent


class InTestCase(TestCase):
    """Uncommitted rows are seen, and everything rolls back."""

    def setUp(self):
        self.user = get_user_model().objects.create_user("tess")
        Product.objects.create(name="lamp")

    def test_sync(self):
        turns = [call("count", "a"), call("name", "b"), call("count_async", "c")]
        result = counter(scripted(turns, lambda m: str([p.content for p in m[-1].parts]))).run_sync(
            "Count", user=self.user
        )
        self.assertEqual(result.output, "[1, 'lamp', 1]")
        self.assertEqual(Note.objects.count(), 2)
        self.assertEqual(AgentExecution.objects.get().status, "completed")

    async def test_async(self):
        agent = DjangoAgent[DjangoDeps, Analysis](
            name="test_analyzer",
            deps_type=DjangoDeps,
            output_type=Analysis,
            instructions="Analyze content sentiment",
            permission=AUTHENTICATED,
            model=TestModel(custom_output_args={"sentiment": "positive", "keywords": ["django"], "confidence": 0.95}),
        )
        result = await agent.run(prompt="Analyze content", deps=DjangoDeps(user_id=self.user.pk))
        self.assertEqual(result.output, Analysis(sentiment="positive", keywords=["django"], confidence=0.95))

    async def test_stream(self):
        async with counter(scripted("one two")).stream("Go", user=self.user) as events:
            kinds = [event.event_kind async for event in events]
        self.assertEqual(kinds[0], "part_start")
        self.assertEqual(events.result.output, "one two ")

    def test_queued(self):
        with clerk.override(model=scripted("done")), self.captureOnCommitCallbacks(execute=True):
            execution = clerk.enqueue("Go", user=self.user)
            (ran,) = run_queued()
        self.assertEqual((ran.pk, ran.status), (execution.pk, "completed"))

    def test_transaction_of_its_own_is_refused(self):
        with transaction.atomic(), self.assertRaises(TransactionOpen):
            counter(scripted("x")).run_sync("Go", user=self.user)
        self.assertEqual(AgentExecution.objects.count(), 0)

    def test_rows_are_gone_between_tests(self):
        self.assertEqual((Note.objects.count(), AgentExecution.objects.count()), (0, 0))


class InTransactionTestCase(TransactionTestCase):
    def test_sync(self):
        user = get_user_model().objects.create_user("tess")
        Product.objects.create(name="lamp")
        counter(scripted([call("count")], "done")).run_sync("Count", user=user)
        self.assertEqual(Note.objects.count(), 1)

    def test_open_transaction_is_refused(self):
        user = get_user_model().objects.create_user("tess")
        with transaction.atomic(), self.assertRaisesRegex(TransactionOpen, "enqueue.*non_atomic_requests"):
            counter(scripted("x")).run_sync("Go", user=user)

    async def test_async(self):
        user = await get_user_model().objects.acreate_user("tess")
        result = await counter(scripted("done")).run("Count", user=user)
        self.assertEqual(result.output, "done")


@pytest.mark.django_db
def test_real_models_are_refused(user, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "never-used")
    from pydantic_ai import models

    from retinue.errors import ExecutionFailed

    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)  # as it is in a site's tests
    monkeypatch.setattr("retinue.runtime.calls._refused_in_tests", False)
    agent = DjangoAgent("real", permission=AUTHENTICATED, model="openai-chat:gpt-4o")
    with pytest.raises(ExecutionFailed):
        agent.run_sync("Go", user=user)
    assert models.ALLOW_MODEL_REQUESTS is False
    with allow_model_requests():
        assert models.ALLOW_MODEL_REQUESTS is True
    assert models.ALLOW_MODEL_REQUESTS is False

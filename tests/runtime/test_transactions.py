"""How many transactions and statements a run costs, counted on every connection of the process."""

import logging
from contextlib import contextmanager

import pytest
from django.db import connections
from django.db.backends.signals import connection_created

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution
from retinue.runtime.loop.engine import close_engine
from retinue.runtime.steps import model_requests
from retinue.workers import worker as workers
from retinue.workers.worker import Worker
from tests.budgets.ledger import budget, check_settled, entries
from tests.priced import PRICES, priced
from tests.scripted import call, scripted
from tests.shop.models import Note
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

READS = ("SELECT", "PRAGMA")


class Ledger(logging.Handler):
    """Reads Django's own log of statements, in which BEGIN and COMMIT have their lines, too."""

    def __init__(self):
        super().__init__()
        self.transactions = []
        """The statements of each committed transaction; a write in autocommit is one of its own."""
        self.reads = []
        """What was read outside a transaction."""
        self._open = {}

    def emit(self, record):
        sql, thread = record.sql.strip(), record.thread
        if sql.startswith("BEGIN"):
            self._open[thread] = []
        elif sql in ("COMMIT", "ROLLBACK"):
            statements = self._open.pop(thread)
            if sql == "COMMIT":
                self.transactions.append(statements)
        elif thread in self._open:
            self._open[thread].append(sql)
        elif sql.startswith(READS):
            self.reads.append(sql)
        else:
            self.transactions.append([sql])

    @property
    def statements(self):
        """How many statements each transaction has."""
        return [len(transaction) for transaction in self.transactions]


def watch(connection, **kwargs):
    connection.force_debug_cursor = True


@contextmanager
def counting():
    ledger, logger = Ledger(), logging.getLogger("django.db.backends")
    level, propagate, disabled, silenced = logger.level, logger.propagate, logger.disabled, logging.root.manager.disable
    connection_created.connect(watch)
    watch(connections["default"])
    logger.addHandler(ledger)
    logger.setLevel(logging.DEBUG)
    logger.propagate = logger.disabled = False
    logging.disable(logging.NOTSET)
    try:
        yield ledger
    finally:
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled
        logging.disable(silenced)
        logger.removeHandler(ledger)
        connection_created.disconnect(watch)
        connections["default"].force_debug_cursor = False


@pytest.fixture(autouse=True)
def patience(settings, monkeypatch):
    """On a busy machine a lease would be looked after, and the last step written, in transactions of their own."""
    settings.RETINUE = {"HEARTBEAT_SECONDS": 60, "DEFAULT_BUDGETS": [], "PRICES": PRICES}
    monkeypatch.setattr(model_requests, "PENDING_SECONDS", 60)


def end():
    """The last step and the end are one transaction; PostgreSQL writes both with one statement."""
    return 1 if connections["default"].vendor == "postgresql" else 2


def noter(model=None, permission=None):
    agent = DjangoAgent("noter", permission=AUTHENTICATED, model=model or scripted([call("add_note", label="a")], "ok"))

    @agent.tool(permission=permission)
    def add_note(ctx: RunContext[DjangoDeps], label: str) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
        return label

    return agent


def test_lone_run_with_one_tool(user):
    with counting() as ledger:
        noter().run_sync("Go", user=user)
    assert ledger.statements == [
        1,  # the execution with its lease
        1,  # the model's first answer, with the fence in the same statement
        2,  # the tool's own row, and its step with the fence
        end(),  # the model's last answer and the end
    ]
    assert len(ledger.reads) == 2  # the user's rights, and his budgets: none


def test_tool_with_a_permission(user, grant):
    grant(user, "shop.add_note")
    with counting() as ledger:
        noter(permission="shop.add_note").run_sync("Go", user=user)
    # One statement more, and no transaction: the right is read again where the tool writes, and offered anew from that.
    assert ledger.statements == [1, 1, 3, end()]
    assert len(ledger.reads) == 2


def test_run_without_a_tool(user):
    with counting() as ledger:
        noter(scripted("ok")).run_sync("Go", user=user)
    assert ledger.statements == [1, end()]  # created; answered and ended


def test_batch_of_tools(user):
    turn = [call("add_note", f"c{number}", label=str(number)) for number in range(3)]
    with counting() as ledger:
        noter(scripted(turn, "ok")).run_sync("Go", user=user)
    assert ledger.statements == [1, 1, 2, 2, 2, end()]  # each tool has a transaction of its own


def test_external_tool(user):
    agent = noter(scripted([call("send")], "ok"))

    @agent.tool
    async def send(ctx: RunContext[DjangoDeps]) -> str:
        return "sent"

    with counting() as ledger:
        agent.run_sync("Go", user=user)
    assert ledger.statements == [1, 1, 1, 1, end()]  # the mark is committed before the body, the result after it


def test_run_through_a_worker(user, monkeypatch):
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 1e9)  # its looking around may share a transaction with a step
    agent = noter()
    worker = Worker(concurrency=10)
    with counting() as ledger, registered(agent):
        worker.start()
        agent.enqueue("Go", user=user)
        until(lambda: AgentExecution.objects.filter(status="completed").exists())
        worker.stop()
    runs = [transaction for transaction in ledger.transactions if is_of_a_run(transaction)]
    assert [len(transaction) for transaction in runs] == [
        1,  # the row, with the caller's transaction; the rights were read before
        6,  # claimed: found, taken, read, its start noted, the user's rights, his budgets
        1,
        2,
        end(),
    ]


def counters_and_entry():
    """The counters are locked and read; PostgreSQL writes them together with the entry."""
    return 2 if connections["default"].vendor == "postgresql" else 3


def with_budget(user):
    """A budget that was used before: the row of its period is there."""
    mine = budget(user, "usd", 10)
    noter(priced("ok")).run_sync("Go", user=user)
    close_engine()  # the connections of the next one are watched from their beginning
    return mine


def test_budget_adds_one_transaction_to_a_lone_run(user):
    mine = with_budget(user)
    with counting() as ledger:
        noter(priced([call("add_note", label="a")], "ok")).run_sync("Go", user=user)
    more = counters_and_entry()
    assert ledger.statements == [
        1,
        1 + more,  # the hold of both requests, with the lease
        1 + more,  # the first answer, with its settlement
        2,
        end() + more,  # the last, with its settlement
    ]
    assert len(ledger.reads) == 2
    assert entries(mine)[2:] == ["hold", "settle", "settle"]
    check_settled()


def test_budget_adds_one_transaction_to_a_run_without_a_tool(user):
    with_budget(user)
    with counting() as ledger:
        noter(priced("ok")).run_sync("Go", user=user)
    more = counters_and_entry()
    assert ledger.statements == [1, 1 + more, end() + more]
    check_settled()


def test_several_budgets_add_no_more_transactions_than_one(user):
    budget("everyone", "tokens", 100_000)
    budget(user, "requests", 100)
    with_budget(user)
    with counting() as ledger:
        noter(priced([call("add_note", label="a")], "ok")).run_sync("Go", user=user)
    assert len(ledger.transactions) == 5
    check_settled()


def test_budget_that_a_free_model_does_not_touch_adds_nothing(user):
    budget(user, "usd", 10)
    with counting() as ledger:
        noter().run_sync("Go", user=user)
    assert ledger.statements == [1, 1, 2, end()]


def is_of_a_run(transaction):
    """Not the worker's looking for work, nor what it writes about itself."""
    return not all(sql.startswith(READS) for sql in transaction) and "retinue_worker" not in "".join(transaction)

"""`manage.py orchestrator_status`: how the engine is, for people and for monitoring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from retinue.management.text import duration, printable


class Command(BaseCommand):
    help = (
        "Shows the database, the queue, the workers, the agents and the last errors. Exits with 1 if work is "
        "queued for over a minute and no worker is alive (or agents or tables are missing), with 2 if the "
        "database is away."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        from retinue.management.status import AWAY, DEGRADED, look

        seen = look()
        if options["json"]:
            self.stdout.write(json.dumps(seen, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(lines(seen)))
        self.stdout.flush()
        if code := {DEGRADED: 1, AWAY: 2}.get(seen["status"], 0):
            raise SystemExit(code)


def lines(seen: dict[str, Any]) -> Iterator[str]:
    """What was seen, for people."""
    yield f"Status    {seen['status']}"
    yield f"Database  {_database(seen['database'])}"
    if seen["queue"] is not None:
        yield f"Queue     {_queue(seen['queue'])}"
    if seen["workers"] is not None:
        yield from _section("Workers", [_worker(worker) for worker in seen["workers"]], "none is alive")
    agents = [_agent(agent) for agent in seen["agents"]]
    yield from _section("Agents", agents, printable(seen["agents_problem"] or "none"))
    if seen["errors"]:
        yield from _section("Errors", [_error(error) for error in seen["errors"]], "")


def _section(title: str, rows: list[str], nothing: str) -> Iterator[str]:
    for number, row in enumerate(rows or [nothing]):
        yield f"{'' if number else title:<9} {row}"


def _database(database: dict[str, Any]) -> str:
    name = f"{database['vendor']} ({database['alias']})"
    if not database["reachable"]:
        return f"{name} is away: {printable(database['problem'])}"
    if not database["migrated"]:
        return f"{name} has no tables of Retinue: run `manage.py migrate`"
    return f"{name} answers in {database['latency_ms']:g} ms"


def _queue(queue: dict[str, Any]) -> str:
    text = f"{queue['queued']} queued, {queue['running']} running, {queue['waiting']} waiting"
    oldest = queue["oldest_queued_seconds"]
    return text if oldest is None else f"{text}; the oldest is queued for {duration(oldest)}"


def _worker(worker: dict[str, Any]) -> str:
    kind = ", in a server process" if worker["embedded"] else ""
    queues = f", queues: {', '.join(worker['queues'])}" if worker["queues"] else ""
    return f"{worker['name']}: {worker['active']} of {worker['concurrency']} busy{kind}{queues}"


def _agent(agent: dict[str, Any]) -> str:
    tools = f", tools: {', '.join(agent['tools'])}" if agent["tools"] else ""
    return f"{agent['name']} ({agent['place']}), model {agent['model']}{tools}"


def _error(error: dict[str, Any]) -> str:
    return printable(f"{error['agent']} {error['id']}: {error['message']} ({error['code']})")

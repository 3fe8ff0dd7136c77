"""`manage.py run_agent NAME "prompt"`: run an agent and see what it does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError, CommandParser

from retinue.budgets.units import Unit
from retinue.management.errors import in_one_sentence
from retinue.management.leaving import exit_promptly
from retinue.management.people import for_whom
from retinue.management.text import answer_text, called

if TYPE_CHECKING:
    from retinue.executions.models import AgentExecution
    from retinue.runtime.agent import DjangoAgent

WAITS, INTERRUPTED = 3, 130


class Command(BaseCommand):
    help = (
        "Runs an agent, for a user or (without --user and --user-id) for the system. Exits with 1 if the run "
        "failed, with 3 if it waits for a decision."
    )
    requires_system_checks = ["retinue"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The agent.")
        parser.add_argument("prompt", help="What it is to do.")
        parser.add_argument("--user", metavar="NAME", help="For whom it acts, by the name to log in with.")
        parser.add_argument("--user-id", metavar="ID", help="For whom it acts, by the primary key.")
        parser.add_argument("--model", help='Instead of the agent\'s own, for instance "openai:gpt-5-mini".')
        parser.add_argument("--background", action="store_true", help="Have a worker run it; print its id.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and nothing else.")

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except SystemExit as error:
            if error.code == INTERRUPTED:
                exit_promptly(INTERRUPTED)
            raise

    def handle(self, *args: Any, **options: Any) -> None:
        from retinue.agents.registry import get_agent
        from retinue.management.database import require_tables

        with in_one_sentence():
            require_tables()
            agent = get_agent(options["name"])
            user, principal = for_whom(options["user"], options["user_id"])
            given = {"user": user, "principal": principal, "model": options["model"]}
            if options["background"]:
                execution = self._enqueue(agent, options["prompt"], given)
            else:
                execution = self._run(agent, options["prompt"], given, watched=self._is_watched(options))
            self._say(execution, options)

    def _is_watched(self, options: dict[str, Any]) -> bool:
        return self.stdout.isatty() and not options["json"]

    # --- running

    def _enqueue(self, agent: DjangoAgent[Any, Any], prompt: str, given: dict[str, Any]) -> AgentExecution:
        from retinue.providers.resolve import resolve_model

        agent.choose_model(given["model"], resolve_model)  # a worker would only fail it
        return agent.enqueue(prompt, **given)

    def _run(self, agent: DjangoAgent[Any, Any], prompt: str, given: dict[str, Any], watched: bool) -> AgentExecution:
        """Run it to its next stop, whatever that is."""
        from retinue.errors import ExecutionError

        run = self._watch if watched else _wait
        try:
            return run(agent, prompt, given)
        except ExecutionError as error:
            return error.execution
        except KeyboardInterrupt:
            self._cancel(agent)
            raise SystemExit(INTERRUPTED) from None

    def _watch(self, agent: DjangoAgent[Any, Any], prompt: str, given: dict[str, Any]) -> AgentExecution:
        from retinue.management.progress import Progress

        progress = Progress(self.stdout, self.style)

        async def watch() -> AgentExecution:
            async with agent.stream(prompt, **given) as events:
                async for event in events:
                    progress.show(event)
            return events.result.execution

        try:
            execution = async_to_sync(watch)()
        except BaseException:  # the terminal is to be left as it was, also on Ctrl-C
            progress.stop()
            raise
        progress.finish(execution)
        return execution

    def _cancel(self, agent: DjangoAgent[Any, Any]) -> None:
        """What runs here ends with this process: for good, so that no worker goes on with it."""
        from retinue.executions.lifecycle import cancel
        from retinue.runtime.loop.engine import get_engine

        for run in get_engine().leased():
            if run.execution.agent_name == agent.name and cancel(run.execution):
                self.stderr.write(f"Execution {run.id} was cancelled.", self.style.WARNING)

    # --- saying what came of it

    def _say(self, execution: AgentExecution, options: dict[str, Any]) -> None:
        from retinue.management.offline import answered_offline

        status, states = execution.status, execution.Status
        if options["json"]:
            self.stdout.write(json.dumps(summary(execution), ensure_ascii=False))
        elif options["background"]:
            self.stdout.write(str(execution.pk))
        elif status == states.COMPLETED and not self._is_watched(options):
            self.stdout.write(answer_text(execution.output_data))
        if answered_offline(execution):
            self.stderr.write(
                'The offline model answered: it follows rules. RETINUE["MODEL"] names a language model.',
                self.style.NOTICE,
            )
        if status == states.WAITING:
            self._name_approvals(execution)
            raise SystemExit(WAITS)
        if status in (states.FAILED, states.CANCELLED):
            raise CommandError(execution.error_message or "The run was cancelled.")

    def _name_approvals(self, execution: AgentExecution) -> None:
        """Which decisions the run waits for, and how to give them."""
        from retinue.management.approvals import open_approvals

        lines = [f"Execution {execution.pk} waits for a decision. A worker goes on with it afterwards."]
        for approval in open_approvals().filter(execution__root=execution.root_id):
            lines += [
                f"  {called(approval.tool_name, approval.arguments)}",
                f"  approval {approval.pk}: {approval.get_reason_display()}",
                f"    manage.py approvals approve {approval.pk} --by USERNAME",
                f'    manage.py approvals deny {approval.pk} --by USERNAME --note "why not"',
            ]
        self.stderr.write("\n".join(lines), self.style.WARNING)


def _wait(agent: DjangoAgent[Any, Any], prompt: str, given: dict[str, Any]) -> AgentExecution:
    return agent.run_sync(prompt, **given).execution


def summary(execution: AgentExecution) -> dict[str, Any]:
    """What `--json` prints: `cost` in `unit`, `charge` in `charge_unit`; null where one is not known."""
    return {
        "id": str(execution.pk),
        "agent": execution.agent_name,
        "status": execution.status,
        "output": execution.output_data,
        "tokens_used": execution.tokens_used,
        "cost": None if execution.cost is None else float(execution.cost),
        "unit": Unit.USD.shown,
        "charge": None if execution.charge is None else float(execution.charge),
        "charge_unit": Unit.CREDITS.shown,
        "execution_time": round(execution.execution_time, 3),
    }

"""`manage.py approvals [list | approve ID | deny ID]`: tool calls that wait for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retinue.management.errors import in_one_sentence
from retinue.management.people import find_user
from retinue.management.text import called, printable

if TYPE_CHECKING:
    from retinue.approvals.models import Approval

LIST, APPROVE, DENY = "list", "approve", "deny"


class Command(BaseCommand):
    help = "Lists the tool calls that wait for a person, and decides them."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=[LIST, APPROVE, DENY], default=LIST)
        parser.add_argument("id", nargs="?", metavar="ID", help="The approval; the beginning of its id is enough.")
        parser.add_argument("--by", metavar="USERNAME", help="Who decides: it is kept on record.")
        parser.add_argument("--note", help="Why a call is denied; the model is told.")
        parser.add_argument(
            "--arguments", metavar="JSON", help="Approve the call with these arguments in place of the model's."
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        with in_one_sentence():
            if options["action"] == LIST:
                self._list(options["json"])
            else:
                self._decide(options)

    def _list(self, as_json: bool) -> None:
        from retinue.management.approvals import described, open_approvals

        approvals = list(open_approvals())
        if as_json:
            self._print([described(approval) for approval in approvals])
        elif not approvals:
            self.stdout.write("Nothing waits for a decision.")
        else:
            for approval in approvals:
                self._show(approval)
            self.stdout.write("Decide with: manage.py approvals approve|deny ID --by USERNAME")

    def _show(self, approval: Approval) -> None:
        from retinue.management.approvals import time_left

        root = approval.execution.root
        who = root.user.get_username() if root.user is not None else str(root.principal)
        self.stdout.write(self.style.MIGRATE_HEADING(called(approval.tool_name, approval.arguments)))
        self.stdout.write(f"  {approval.pk}, {time_left(approval)}")
        self.stdout.write(f"  {approval.execution.agent_name} for {printable(who)}: {approval.get_reason_display()}")

    def _decide(self, options: dict[str, Any]) -> None:
        from retinue.approvals.decisions import approve, deny
        from retinue.management.approvals import described, find_approval

        person = find_user(options["by"])
        approval = find_approval(options["id"])
        if options["action"] == APPROVE:
            approve(approval, by=person, arguments=_arguments(options["arguments"]))
        else:
            deny(approval, by=person, note=options["note"] or "")
        if options["json"]:
            self._print(described(approval))
        else:
            changed = approval.changed_arguments
            call = called(approval.tool_name, approval.arguments if changed is None else changed)
            self.stdout.write(f"{approval.get_status_display()}: {call}")

    def _print(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False))


def _check(options: dict[str, Any]) -> None:
    """What belongs to which action."""
    action = options["action"]
    if action == LIST:
        if options["id"] is not None:
            raise CommandError("To decide, say approve or deny before the id.")
        return
    if options["id"] is None:
        raise CommandError(f"Say which: manage.py approvals {action} ID --by USERNAME")
    if options["by"] is None:
        raise CommandError("Say who decides: --by USERNAME")
    if action == APPROVE and options["note"] is not None:
        raise CommandError("A note goes with a denial only.")
    if action == DENY and options["arguments"] is not None:
        raise CommandError("Arguments go with an approval only.")


def _arguments(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        given = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise CommandError(f"--arguments is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise CommandError('--arguments is a JSON object, like {"price": 9.5}.')
    return given


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")

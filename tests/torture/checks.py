"""What must be there when every execution has ended, and what must not."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from retinue.approvals.models import Approval
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import OPEN, Status, StepKind
from tests.processes import witness
from tests.shop.models import Note
from tests.torture import money
from tests.torture.script import (
    CHANGED,
    DENIAL,
    EXTERNAL,
    WRITERS,
    Call,
    decision,
    every_run,
    turns,
)


@dataclass
class Report:
    """A sentence for each thing that is wrong."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reasked: list[str] = field(default_factory=list)
    overspent: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not any(vars(self).values())

    @property
    def money(self) -> str:
        return f"overspent {len(self.overspent)} held {len(self.held)}"

    @property
    def streams(self) -> str:
        return f"missed {len(self.missed)} repeated {len(self.repeated)} differing {len(self.differing)}"

    def __str__(self) -> str:
        return f"lost {len(self.lost)} doubled {len(self.doubled)} reasked {len(self.reasked)}"


def check(roots: dict[str, str], folder: Path, cancelled: dict[str, list[Any]], frozen: Collection[int]) -> Report:
    """Compare what happened with what the scripts say.

    `roots`: the kind of each run by its label. `cancelled`: the rows that a run had when it was cancelled.
    `frozen`: the processes that stood still; one that did so between its last look at the lease and the
    request may ask for what another recorded meanwhile.
    """
    return _Check(folder).report(roots, cancelled, frozen)


def rows_of(root: AgentExecution) -> list[Any]:
    """What the database holds of a run and of those that it delegated to."""
    family = AgentExecution.objects.filter(root=root.pk).order_by("pk")
    ids = [execution.pk for execution in family]
    return [
        *family.values_list("pk", "status", "attempts", "lease_token", "output_data", "completed_at"),
        *ExecutionStep.objects.filter(execution__in=ids).order_by("pk").values_list("pk", "key"),
        *Note.objects.filter(execution__in=map(str, ids)).order_by("pk").values_list("pk", "label"),
        *Approval.objects.filter(execution__in=ids).order_by("pk").values_list("pk", "status"),
    ]


class _Check:
    def __init__(self, folder: Path) -> None:
        self._found = Report()
        self._executions: dict[str, list[AgentExecution]] = defaultdict(list)
        for execution in AgentExecution.objects.all():
            self._executions[execution.input_prompt].append(execution)
        self._steps: dict[Any, list[ExecutionStep]] = defaultdict(list)
        for step in ExecutionStep.objects.all():
            self._steps[step.execution_id].append(step)
        self._approvals: dict[Any, list[Approval]] = defaultdict(list)
        for approval in Approval.objects.order_by("created_at"):
            self._approvals[approval.execution_id].append(approval)
        self._notes = Counter(Note.objects.values_list("execution", "label"))
        self._calls = Counter(fact["label"] for fact in witness.noted(folder, "called"))
        keys: dict[str, set[str]] = defaultdict(set)
        for fact in witness.noted(folder, "called"):
            keys[fact["label"]].add(fact["key"])
        self._keys = keys
        self._folder = folder

    def report(self, roots: dict[str, str], cancelled: dict[str, list[Any]], frozen: Collection[int]) -> Report:
        for label, kind in roots.items():
            if label in cancelled:
                self._check_cancelled(kind, label, cancelled[label])
            else:
                self._check_tree(kind, label)
        self._check_leftovers()
        self._check_keys()
        for fact in witness.noted(self._folder, "reasked"):
            if fact["pid"] not in frozen:
                self._found.reasked.append(f"answer {fact['number']} of {fact['execution']} was asked for again")
        self._found.overspent.extend(money.overspent())
        self._found.held.extend(money.held())
        return self._found

    def _check_cancelled(self, kind: str, label: str, before: list[Any]) -> None:
        (root,) = self._executions[f"{kind} {label}"]
        after = rows_of(root)
        for row in set(before) ^ set(after):
            which = "is new" if row in after else "is gone"
            self._found.doubled.append(f"{kind} {label} was cancelled, yet a row {which}: {row}")
        for run_kind, run_label in every_run(kind, label):
            for execution in self._executions.pop(f"{run_kind} {run_label}", []):
                self._forget(execution, run_kind, run_label)

    def _check_tree(self, kind: str, label: str) -> None:
        for run_kind, run_label in every_run(kind, label):
            prompt = f"{run_kind} {run_label}"
            match self._executions.pop(prompt, []):
                case [execution]:
                    self._check_run(execution, run_kind, run_label)
                case []:
                    self._found.lost.append(f"{prompt}: there is no such execution")
                case several:
                    self._found.doubled.append(f"{prompt}: there are {len(several)} executions")

    def _check_run(self, execution: AgentExecution, kind: str, label: str) -> None:
        lost, doubled, prompt = self._found.lost, self._found.doubled, execution.input_prompt
        if execution.status != Status.COMPLETED:
            error = f"{execution.error_code} {execution.error_message}".strip()
            lost.append(f"{prompt} is {execution.status} {error}")
            self._forget(execution, kind, label)
            return
        calls = [(turn, call) for turn, several in enumerate(turns(kind, label), 1) for call in several]
        wanted = {call.call_id: self._content(execution, turn, call) for turn, call in calls}
        try:
            given = json.loads(execution.output_data)
        except (TypeError, ValueError):
            given = execution.output_data
        if given != wanted:
            lost.append(f"{prompt} answered {given!r}, not {wanted!r}")
        asked = sum(step.kind == StepKind.MODEL for step in self._steps[execution.pk])
        if asked != len(turns(kind, label)) + 1:
            doubled.append(f"{prompt}: {asked} model requests are on record")
        for turn, call in calls:
            self._check_effect(execution, turn, call)

    def _forget(self, execution: AgentExecution, kind: str, label: str) -> None:
        """What a lost run did is not counted once more."""
        for call in (call for calls in turns(kind, label) for call in calls):
            for effect in (call.label, call.label + CHANGED):
                self._notes.pop((str(execution.pk), effect), None)
                self._calls.pop(effect, None)

    def _check_effect(self, execution: AgentExecution, turn: int, call: Call) -> None:
        lost, doubled = self._found.lost, self._found.doubled
        place = f"tool:{call.tool}@{turn}:{call.call_id}"
        steps = [step for step in self._steps[execution.pk] if step.key.startswith(place)]
        done = [step for step in steps if step.kind == StepKind.TOOL]
        denied = self._denied(execution, place)
        if len(done) != (0 if denied else 1):
            (doubled if len(done) > 1 or denied else lost).append(f"{call.label}: {len(done)} results are on record")
        label = call.label + (CHANGED if self._changed(call) else "")
        if call.tool in WRITERS:
            for effect in {label, call.label, call.label + CHANGED}:
                times = self._notes.pop((str(execution.pk), effect), 0)
                wanted = 0 if denied or effect != label else 1
                if times != wanted:
                    (lost if times < wanted else doubled).append(f"{effect} was written {times} times")
        if call.tool in EXTERNAL:
            self._check_external(execution, call, label, place, steps)

    def _check_external(
        self, execution: AgentExecution, call: Call, label: str, place: str, steps: list[ExecutionStep]
    ) -> None:
        lost, doubled = self._found.lost, self._found.doubled
        times = self._calls.pop(label, 0)
        marks = sum(step.kind == StepKind.STARTED for step in steps)
        answered = any("return" in step.content for step in steps if step.kind == StepKind.TOOL)
        again = [a for a in self._approvals[execution.pk] if a.key.startswith(place) and a.reason == "uncertain"]
        allowed = 1 + sum(a.status == "approved" for a in again)
        if times > allowed and call.tool != "append_retry":
            doubled.append(f"{label} was called {times} times; {allowed} were allowed")
        if times > marks:
            doubled.append(f"{label} was called {times} times, {marks} of them marked")
        if answered and not times:
            lost.append(f"{label} has an answer, but was never called")
        if len(again) > marks - answered:
            doubled.append(f"{label}: asked {len(again)} times about {marks - answered} interrupted calls")

    def _content(self, execution: AgentExecution, turn: int, call: Call) -> Any:
        """What the call must have given."""
        place = f"tool:{call.tool}@{turn}:{call.call_id}"
        if self._denied(execution, place):
            return DENIAL
        if call.children:
            answers = [self._answer(f"{call.kind} {child}") for child in call.children]
            return answers[0] if call.tool == "delegate" else answers
        steps = [s for s in self._steps[execution.pk] if s.key.startswith(place)]
        marks = sum(step.kind == StepKind.STARTED for step in steps)
        result = next((step.content for step in steps if step.kind == StepKind.TOOL), {})
        if call.tool == "append_fail" and marks and "failed" in result:
            return "The call of append_fail was interrupted; whether it took effect is not known."
        return f"{call.tool} {call.label}" + (CHANGED if self._changed(call) else "")

    def _answer(self, prompt: str) -> Any:
        """What a delegated run answered; whether that is right is seen when its own turn comes."""
        found = self._executions[prompt]
        return json.loads(found[0].output_data) if found and found[0].output_data else None

    def _denied(self, execution: AgentExecution, place: str) -> bool:
        mine = [a for a in self._approvals[execution.pk] if a.key == place or a.key.startswith(f"{place}#")]
        return bool(mine) and mine[-1].status == "denied"

    def _changed(self, call: Call) -> bool:
        asks = call.tool in {"sell", "ship"} or (
            call.tool in {"write_judged", "append_judged"} and crc32(call.label.encode()) % 2 == 0
        )
        return asks and decision(call.label) == "change"

    def _check_leftovers(self) -> None:
        lost, doubled = self._found.lost, self._found.doubled
        lost.extend(f"{e} is {e.status}" for e in AgentExecution.objects.filter(status__in=OPEN))
        lost.extend(f"{e} holds a lease" for e in AgentExecution.objects.exclude(lease_expires=None))
        lost.extend(f"{a} of {a.execution_id}" for a in Approval.objects.pending())
        doubled.extend(
            f"an execution nobody asked for: {prompt}" for prompt, found in self._executions.items() if found
        )
        doubled.extend(
            f"{label} was written {n} times by {execution}" for (execution, label), n in self._notes.items() if n
        )
        doubled.extend(f"{label} was called {n} times" for label, n in self._calls.items() if n)

    def _check_keys(self) -> None:
        for label, keys in self._keys.items():
            if len(keys) > 1:
                self._found.doubled.append(f"{label} was called with {len(keys)} idempotency keys")
        if len(set().union(*self._keys.values())) != len(self._keys):
            self._found.doubled.append("two calls share an idempotency key")

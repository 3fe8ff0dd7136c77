"""Events as they are in the table."""

from pydantic_core import to_json

from retinue.executions.models import ExecutionEvent


def text(step, offset, text):
    return "text", {"step": step, "offset": offset, "text": text}


def record(execution, *events):
    ExecutionEvent.objects.bulk_create(
        ExecutionEvent(execution=execution, epoch=epoch, seq=seq, kind=kind, data=to_json(data))
        for epoch, seq, kind, data in events
    )

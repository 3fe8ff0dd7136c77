import pytest
from django.utils import timezone

from retinue.executions.models import AgentExecution


@pytest.fixture
def execution(user):
    execution = AgentExecution(
        agent_name="clerk",
        user=user,
        principal_type="user",
        principal_key=str(user.pk),
        input_prompt="Go",
        status="completed",
        output_data="ab",
        completed_at=timezone.now(),
        stream=True,
    )
    execution.root = execution
    execution.save(force_insert=True)
    return execution

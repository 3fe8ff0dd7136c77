"""People who look at the admin, and what there is to see."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from retinue.agents.registry import registered
from retinue.approvals.models import Approval
from retinue.executions.models import AgentExecution
from retinue.testing import run_queued
from tests.management.agents import asking

# What a strict Content-Security-Policy refuses: scripts and styles inside the page.
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)


def log_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def chief(db):
    return get_user_model().objects.create_superuser("chief", "chief@example.com", "secret")


@pytest.fixture
def page(chief):
    """Gets a page as a superuser; it must be free of inline scripts and styles."""
    client = log_in(chief)

    def get(path, **query):
        response = client.get(f"/admin/retinue/{path}", query)
        assert response.status_code == 200, response
        assert INLINE.findall(response.content.decode()) == []
        return response

    get.client = client
    return get


@pytest.fixture
def staff(db):
    """Someone of the staff, without permissions."""
    return get_user_model().objects.create_user("eve", "eve@example.com", "secret", is_staff=True)


@pytest.fixture
def make(db):
    """Makes an execution."""

    def make_execution(agent_name="clerk", status="completed", **values):
        values = {"principal_type": "system", "input_prompt": "Hello", **values}
        execution = AgentExecution(agent_name=agent_name, status=status, **values)
        execution.root_id = execution.root_id or execution.pk
        execution.save(force_insert=True)
        return execution

    return make_execution


@pytest.fixture
def agent():
    made = asking()
    with registered(made):
        yield made


@pytest.fixture
def approval(agent, user):
    """One that Ada's run waits for."""
    agent.enqueue("Raise it", user=user)
    run_queued(agent)
    return Approval.objects.get()

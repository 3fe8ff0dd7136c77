"""`manage.py run_agent`."""

import io
import json
import os
import re
import signal
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import TestCase
from pydantic import BaseModel

from retinue import DjangoAgent
from retinue.agents.registry import registered
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.budgets.models import Budget
from retinue.executions.models import AgentExecution
from retinue.testing import run_queued
from tests.management.agents import asking, pricer
from tests.management.conftest import Terminal
from tests.scripted import call, scripted
from tests.shop.agents import clerk
from tests.waiting import WAIT_SECONDS

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
OFFLINE = 'The offline model answered: it follows rules. RETINUE["MODEL"] names a language model.\n'


class Mood(BaseModel):
    word: str
    score: float


@pytest.mark.django_db(transaction=True)
class TestAnswer:
    def test_pipe_gets_the_answer_and_nothing_else(self, command, user):
        with clerk.override(model=scripted("Good day.")):
            done = command("run_agent", "clerk", "Hello", user="ada")
        assert (done.out, done.error, done.code) == ("Good day.\n", "", 0)
        assert AgentExecution.objects.get().user == user

    def test_structured_answer_is_indented_json(self, command, db):
        agent = DjangoAgent(
            "mood", output_type=Mood, model=scripted([call("final_result", word="glücklich", score=0.5)])
        )
        with registered(agent):
            done = command("run_agent", "mood", "How is it?")
        assert done.out == '{\n  "word": "glücklich",\n  "score": 0.5\n}\n'

    def test_terminal_shows_each_step_as_it_happens(self, command, user):
        model = scripted([call("look", name="lamp")], "A lamp.\nIt costs 9.50.")
        with registered(pricer(model)):
            done = command("run_agent", "pricer", "What does the lamp cost?", user="ada", terminal=True)
        execution = AgentExecution.objects.get()
        lines = done.out.splitlines()
        assert lines[:-1] == [
            '> look(name="lamp")',
            '< look: {"name": "lamp", "price": "9.50"}',
            "A lamp.",
            "It costs 9.50. ",  # the scripted model says a space after each word
        ]
        assert lines[-1] == (
            f"Completed in {execution.execution_time:.1f} s, {execution.tokens_used} tokens, 0 USD. "
            f"Execution {execution.pk}"
        )
        assert (done.error, done.code) == ("", 0)

    def test_terminal_shows_a_structured_answer_at_the_end(self, command, db):
        agent = DjangoAgent("mood", output_type=Mood, model=scripted([call("final_result", word="glad", score=1)]))
        with registered(agent):
            done = command("run_agent", "mood", "How is it?", terminal=True)
        assert done.out.splitlines()[:4] == ["{", '  "word": "glad",', '  "score": 1.0', "}"]

    def test_terminal_is_not_steered_by_what_a_model_says(self, command, db):
        agent = DjangoAgent("rude", model=scripted("\x1b[2Jgone\x00\x07"))
        with registered(agent):
            done = command("run_agent", "rude", "Hello", terminal=True)
        assert done.out.splitlines()[0] == "\ufffd[2Jgone\ufffd\ufffd "

    def test_long_results_are_cut(self, command, user):
        model = scripted([call("look", name="x" * 500)], "done")
        with registered(pricer(model)):
            done = command("run_agent", "pricer", "Look", user="ada", terminal=True)
        called, result = done.out.splitlines()[:2]
        assert called == f'> look(name="{"x" * 158}…)'
        assert result == f'< look: {{"name": "{"x" * 149}…'

    def test_json_is_one_object(self, command, user):
        with clerk.override(model=scripted("Good day.")):
            done = command("run_agent", "clerk", "Hello", user="ada", json=True, terminal=True)
        execution = AgentExecution.objects.get()
        assert done.out.count("\n") == 1
        assert json.loads(done.out) == {
            "id": str(execution.pk),
            "agent": "clerk",
            "status": "completed",
            "output": "Good day.",
            "tokens_used": execution.tokens_used,
            "cost": 0,
            "unit": "USD",
            "charge": 0,
            "charge_unit": "credits",
            "execution_time": round(execution.execution_time, 3),
        }

    def test_offline_model_says_so(self, command, user):
        done = command("run_agent", "clerk", "Hello", user="ada", json=True)
        assert (done.error, done.code) == (OFFLINE, 0)
        assert json.loads(done.out)["cost"] == 0.0

    def test_offline_model_of_this_run_says_so(self, command, user):
        with registered(pricer(scripted("never asked"))):
            done = command("run_agent", "pricer", "Hello", user="ada", model="offline:default")
        assert done.error == OFFLINE

    def test_user_by_id(self, command, user):
        with clerk.override(model=scripted("Good day.")):
            command("run_agent", "clerk", "Hello", user_id=str(user.pk))
        assert AgentExecution.objects.get().user == user

    def test_nobody_named_is_the_system(self, command, db):
        with clerk.override(model=scripted("Good day.")):
            command("run_agent", "clerk", "Hello")
        assert AgentExecution.objects.get().principal_type == "system"

    def test_prompt_with_nul_works(self, command, db):
        with clerk.override(model=scripted("Good day.")):
            assert command("run_agent", "clerk", "a\x00b").out == "Good day.\n"
        assert AgentExecution.objects.get().given["prompt"] == "a\x00b"


@pytest.mark.django_db(transaction=True)
class TestBackground:
    def test_prints_the_id_of_what_a_worker_runs(self, command, user):
        done = command("run_agent", "clerk", "Hello", user="ada", background=True)
        execution = AgentExecution.objects.get()
        assert (done.out, done.error, done.code) == (f"{execution.pk}\n", "", 0)
        assert (execution.status, execution.user) == ("queued", user)
        with clerk.override(model=scripted("done")):
            (ran,) = run_queued()
        assert (ran.pk, ran.output_data) == (execution.pk, "done")

    def test_json_says_that_it_is_queued(self, command, user):
        done = command("run_agent", "clerk", "Hello", user="ada", background=True, json=True)
        assert json.loads(done.out) == {
            "id": str(AgentExecution.objects.get().pk),
            "agent": "clerk",
            "status": "queued",
            "output": None,
            "tokens_used": 0,
            "cost": None,
            "unit": "USD",
            "charge": None,
            "charge_unit": "credits",
            "execution_time": 0.0,
        }

    def test_model_is_kept(self, command, user):
        command("run_agent", "clerk", "Hello", user="ada", background=True, model="offline:other")
        assert AgentExecution.objects.get().given["options"] == {"model": "offline:other"}


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    @pytest.mark.parametrize("terminal", [False, True])
    def test_names_the_approval_and_exits_3(self, command, user, terminal):
        with registered(asking()):
            done = command("run_agent", "pricer", "Raise it", user="ada", terminal=terminal)
        execution, approval = AgentExecution.objects.get(), Approval.objects.get()
        assert done.code == 3
        assert done.error.splitlines() == [
            f"Execution {execution.pk} waits for a decision. A worker goes on with it afterwards.",
            '  set_price(product="lamp", price="12.00")',
            f"  approval {approval.pk}: The tool needs an approval",
            f"    manage.py approvals approve {approval.pk} --by USERNAME",
            f'    manage.py approvals deny {approval.pk} --by USERNAME --note "why not"',
        ]
        if terminal:
            assert done.out.splitlines()[-1] == '> set_price(product="lamp", price="12.00")'
        else:
            assert done.out == ""

    def test_json_says_that_it_waits(self, command, user):
        with registered(asking()):
            done = command("run_agent", "pricer", "Raise it", user="ada", json=True)
        assert (done.code, json.loads(done.out)["status"]) == (3, "waiting")

    def test_goes_on_after_the_decision(self, command, user):
        agent = asking()
        with registered(agent):
            command("run_agent", "pricer", "Raise it", user="ada")
            approve(Approval.objects.get(), by=user)
        (ran,) = run_queued(agent)
        assert (ran.status, ran.output_data) == ("completed", "It is done.")


@pytest.mark.django_db(transaction=True)
class TestFailure:
    @pytest.mark.parametrize("terminal", [False, True])
    def test_failed_run_says_why(self, command, db, terminal):
        agent = DjangoAgent("dear", model=scripted("never asked"), max_cost=Decimal(0))
        with registered(agent):
            done = command("run_agent", "dear", "Hello", terminal=terminal)
        assert (done.out, done.code) == ("", 1)
        assert done.error == "The run has cost 0 USD; it was allowed 0."

    def test_json_says_that_it_failed(self, command, db):
        agent = DjangoAgent("dear", model=scripted("never asked"), max_cost=Decimal(0))
        with registered(agent):
            done = command("run_agent", "dear", "Hello", json=True)
        assert (json.loads(done.out)["status"], done.code) == ("failed", 1)
        assert done.error == "The run has cost 0 USD; it was allowed 0."


@pytest.mark.django_db(transaction=True)
class TestBudget:
    """A model that costs 0.10 USD for each request, and somebody who may use less, or more."""

    @pytest.fixture
    def priced(self, settings):
        settings.RETINUE = {"PRICES": {"function:function:answer:stream": {"request": "0.10"}}, "CREDITS_NAME": "FTNS"}

    @pytest.mark.parametrize("terminal", [False, True])
    @pytest.mark.parametrize(
        ("limit", "sentence"),
        [
            ("0", "The budget does not reach: up to 0.1 USD more are needed, and 0 USD are left."),
            ("0.05", "The budget does not reach: up to 0.1 USD more are needed, and 0.05 USD are left."),
        ],
    )
    def test_that_does_not_reach_is_one_sentence(self, command, user, priced, terminal, limit, sentence):
        with clerk.override(model=scripted("never said")):
            budget_of(user, limit)
            done = command("run_agent", "clerk", "Hello", user="ada", terminal=terminal)
        assert (done.out, done.error, done.code) == ("", sentence, 1)

    def test_that_ends_in_the_middle_is_one_sentence(self, command, user, priced):
        budget_of(user, "0.15")
        with registered(pricer(scripted([call("look", name="lamp")], "never said"))):
            done = command("run_agent", "pricer", "Look", user="ada")
        sentence = "The budget does not reach: up to 0.05 USD more are needed, and 0 USD are left."  # 0.05 are held
        assert (done.out, done.error, done.code) == ("", sentence, 1)
        assert AgentExecution.objects.get().error_code == "budget_exceeded"

    def test_what_it_cost_has_its_units(self, command, user, priced):
        with clerk.override(model=scripted("Good day.")):
            shown = command("run_agent", "clerk", "Hello", user="ada", terminal=True)
            done = command("run_agent", "clerk", "Hello", user="ada", json=True)
        assert "tokens, 0.1 USD, 10 FTNS. Execution" in shown.out
        said = json.loads(done.out)
        assert (said["cost"], said["unit"], said["charge"], said["charge_unit"]) == (0.1, "USD", 10, "FTNS")


def budget_of(user, limit):
    made = Budget(owner_type="user", owner_key=str(user.pk), unit="usd", period="total")
    made.limit = limit
    made.save()


@pytest.mark.django_db(transaction=True)
class TestBadInput:
    @pytest.mark.parametrize(
        ("name", "prompt", "options", "sentence"),
        [
            ("clrk", "Hello", {}, "There is no agent named 'clrk'. Did you mean clerk?"),
            ("clerk", " \n", {}, "The prompt is empty."),
            (
                "clerk",
                "x" * 100_001,
                {},
                "The prompt has 100,001 characters; at most 100,000 are allowed.",
            ),
            ("clerk", "Hello", {"user": "bob"}, "There is no user whose username is 'bob'."),
            ("clerk", "Hello", {"user": "a\x00"}, "There is no user whose username is 'a\\x00'."),
            ("clerk", "Hello", {"user_id": "99999"}, "There is no user with the id '99999'."),
            ("clerk", "Hello", {"user_id": "ada"}, "'ada' cannot be the id of a user."),
            ("clerk", "Hello", {"user_id": "9" * 30}, f"There is no user with the id '{'9' * 30}'."),
            ("clerk", "Hello", {"user": "ada", "user_id": "1"}, "Give --user or --user-id, not both."),
            (
                "clerk",
                "Hello",
                {"model": "opneai:gpt-5"},
                "The model 'opneai:gpt-5' cannot be used: Unknown model: opneai:gpt-5",
            ),
        ],
    )
    @pytest.mark.parametrize("background", [False, True])
    def test_is_one_sentence_and_leaves_no_row(self, command, user, name, prompt, options, sentence, background):
        done = command("run_agent", name, prompt, background=background, **options)
        assert (done.out, done.code) == ("", 1)
        assert done.error.startswith(sentence)
        assert "\n" not in done.error
        assert AgentExecution.objects.count() == 0

    @pytest.mark.parametrize("way", [{}, {"background": True}, {"terminal": True}])
    def test_missing_permission(self, command, user, way):
        done = command("run_agent", "warden", "Hello", user="ada", **way)
        assert (done.out, done.code) == ("", 1)
        assert done.error == f"user:{user.pk} may not run the agent 'warden'."
        assert AgentExecution.objects.count() == 0

    def test_inactive_user(self, command, user):
        get_user_model().objects.update(is_active=False)
        done = command("run_agent", "clerk", "Hello", user="ada")
        assert (done.error, done.code) == ("The user is not active.", 1)
        assert AgentExecution.objects.count() == 0

    @pytest.mark.parametrize("background", [False, True])
    def test_missing_key_names_the_variable(self, command, user, monkeypatch, background):
        pytest.importorskip("openai")
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        done = command("run_agent", "clerk", "Hi", user="ada", model="openai:gpt-5", background=background)
        assert done.error == "The model 'openai:gpt-5' needs a key: set the environment variable OPENAI_API_KEY."
        assert AgentExecution.objects.count() == 0

    def test_on_a_terminal_prints_no_traceback(self, process):
        done = process("run_agent", "clrk", "Hello")
        out, error = done.communicate(timeout=WAIT_SECONDS)
        assert (done.returncode, out) == (1, "")
        assert error == "CommandError: There is no agent named 'clrk'. Did you mean clerk?\n"


class InATestCase(TestCase):
    """A site tests its own commands like this."""

    def test_runs_in_the_transaction_of_the_test(self):
        user = get_user_model().objects.create_user("eve")
        for out in (io.StringIO(), Terminal()):
            with clerk.override(model=scripted("Good day.")):
                call_command("run_agent", "clerk", "Hello", user="eve", stdout=out)
            assert out.getvalue().splitlines()[0].strip() == "Good day."
        assert [row.user for row in AgentExecution.objects.all()] == [user, user]


@pytest.mark.django_db(transaction=True)
def test_interrupt_cancels_for_good(process):
    child = process("run_agent", "sleeper", "Hello")
    execution_id = re.fullmatch(f"asleep ({UUID})\n", child.stdout.readline())[1]
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, out) == (130, "")
    assert error == f"Execution {execution_id} was cancelled.\n"
    execution = AgentExecution.objects.get()
    assert (str(execution.pk), execution.status, execution.error_code) == (execution_id, "cancelled", "cancelled")


@pytest.mark.django_db(transaction=True)
def test_interrupt_at_a_terminal_cancels_for_good(process):
    ours, theirs = os.openpty()
    child = process("run_agent", "sleeper", "Hello", "--no-color", stdout=theirs)
    os.close(theirs)
    with open(ours) as terminal:
        # The command and the tool itself write here, each in its own time: their lines may run into each other.
        seen = ""
        while "> sleep()" not in seen or "asleep " not in seen:
            line = terminal.readline()
            assert line, seen
            seen += line
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=WAIT_SECONDS)
    execution = AgentExecution.objects.get()
    assert (child.returncode, error) == (130, f"Execution {execution.pk} was cancelled.\n")
    assert execution.status == "cancelled"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere/site.sqlite3", "The database cannot be used: unable to open database file."),
        ("site.sqlite3", "Retinue's tables are missing: run `manage.py migrate` first."),
    ],
)
@pytest.mark.only_on("sqlite")
def test_database_that_cannot_be_used_is_one_sentence(process, tmp_path, place, sentence):
    child = process("run_agent", "clerk", "Hello", TEST_DATABASE_NAME=str(tmp_path / place))
    out, error = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, out, error) == (1, "", f"CommandError: {sentence}\n")

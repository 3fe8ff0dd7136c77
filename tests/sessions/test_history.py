"""Whatever is cut off a conversation, what is left is one that every provider takes."""

from uuid import UUID

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    RetryInfo,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from retinue.providers.bounds import message_tokens
from retinue.sessions.history import Turn, as_turn, fitting, in_order
from retinue.sessions.summaries import Summary
from tests.histories import fault, texts

NOW = timezone.now()
LAST = [ModelRequest.user_text_prompt("now")]


def run(number, rounds, instructions, structured, words):
    """The messages of a run that called tools in so many rounds, as pydantic-ai has them."""
    first = [SystemPromptPart("Be kind.")] if number == 0 else []
    messages = [ModelRequest([*first, UserPromptPart(f"prompt {number}")], instructions=instructions)]
    for index, outcomes in enumerate(rounds):
        calls = [ToolCallPart("look", {"at": "x" * words}, f"{number}-{index}-{n}") for n in range(len(outcomes))]
        messages.append(ModelResponse([ThinkingPart("hm"), TextPart("let me see"), *calls]))
        messages.append(
            ModelRequest(
                [
                    ToolReturnPart("look", "seen " * words, each.tool_call_id, outcome="success" if good else "retried")
                    for each, good in zip(calls, outcomes, strict=True)
                ],
                instructions=instructions,
            )
        )
    if structured:
        messages.append(ModelResponse([ToolCallPart("final_result", {"word": "glad"}, f"{number}-f")]))
        messages.append(ModelRequest([ToolReturnPart("final_result", "Final result processed.", f"{number}-f")]))
    else:
        messages.append(ModelResponse([TextPart(f"answer {number} " + "word " * words)]))
    return messages


runs = st.lists(
    st.tuples(
        st.lists(st.lists(st.booleans(), min_size=1, max_size=3), max_size=3),
        st.sampled_from([None, "Be brief."]),
        st.booleans(),
        st.integers(min_value=0, max_value=60),
    ),
    max_size=6,
)


def turns_of(given_runs):
    """The turns of these runs, the latest first."""
    return [
        Turn(
            execution_id=UUID(int=number),
            created_at=NOW,
            messages=as_turn(run(number, *each), f"answer {number}"),
            prompt=f"prompt {number}",
            answer=f"answer {number}",
        )
        for number, each in reversed(list(enumerate(given_runs)))
    ]


@settings(max_examples=100, deadline=None)
@given(runs, st.integers(min_value=0, max_value=3000))
def test_any_cut_leaves_a_valid_history(given_runs, tokens):
    turns = turns_of(given_runs)
    kept = fitting(turns, tokens)
    messages = in_order(told for _, told in kept)
    assert fault([*messages, *LAST]) is None
    assert message_tokens(messages) <= tokens
    assert [turn for turn, _ in kept] == turns[: len(kept)]  # the oldest are left out, whole
    summary = Summary(text="It was said.", through=UUID(int=0), until=NOW)
    assert fault([*summary.messages, *messages, *LAST]) is None
    again = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(messages))
    assert (fault([*again, *LAST]), texts(again)) == (None, texts(messages))


@settings(max_examples=100, deadline=None)
@given(runs)
def test_with_room_for_all_nothing_is_cut(given_runs):
    turns = turns_of(given_runs)
    assert [told for _, told in fitting(turns, 10**9)] == [turn.messages for turn in turns]


@settings(max_examples=100, deadline=None)
@given(st.data(), runs.filter(bool))
def test_messages_that_break_off_are_repaired(data, given_runs):
    """A site's code may have changed what a run added; the calls that have no result get one."""
    messages = run(0, *given_runs[0])
    cut = data.draw(st.integers(min_value=1, max_value=len(messages)))
    turn = as_turn(messages[:cut], "the answer")
    assert fault([*turn, *LAST]) is None


@pytest.mark.parametrize(
    "messages", [[], [ModelResponse([TextPart("hello")])], [ModelRequest([SystemPromptPart("x")])]]
)
def test_what_does_not_begin_with_the_user_is_no_turn(messages):
    assert as_turn(messages, "the answer") is None


def test_instructions_and_system_prompts_are_not_part_of_it():
    turn = as_turn(run(0, [[True]], "Be brief.", False, 1), "answer 0")
    assert [message.instructions for message in turn if isinstance(message, ModelRequest)] == [None, None]
    assert not any(isinstance(part, SystemPromptPart) for message in turn for part in message.parts)


def test_answers_that_say_nothing_are_not_part_of_it():
    """Models are asked to do better then, which nobody needs to know later."""
    asked = ModelRequest.user_text_prompt("Why?")
    better = ModelRequest([RetryFeedbackPart("Return text.", retry=RetryInfo(cause="no_output"))])
    for empty in ([TextPart(" ")], [ThinkingPart("hm")], [ThinkingPart("hm"), TextPart("")], []):
        turn = as_turn([asked, ModelResponse(empty), better, ModelResponse([TextPart("So.")])], "So.")
        assert [texts([message]) for message in turn] == [["Why?"], ["So."]]
        assert texts(as_turn([asked, ModelResponse(empty)], " ")) == ["Why?", "…"]
    calling = as_turn([asked, ModelResponse([TextPart(""), *CALLED.parts]), ModelRequest([RESULT])], "So.")
    assert calling[1].parts == CALLED.parts


CALLED, RESULT = ModelResponse([ToolCallPart("look", {}, "a")]), ToolReturnPart("look", "x", "a")


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([], "They do not end with a request."),
        ([ModelResponse([TextPart("x")])], "Message 0 is no ModelRequest."),
        ([*LAST, *LAST], "Message 1 is no ModelResponse."),
        ([*LAST, ModelResponse([TextPart(" ")]), *LAST], "Message 1 is empty."),
        ([*LAST, CALLED], "They do not end with a request."),
        ([*LAST, CALLED, *LAST], "Message 2 has the results of {}; called was {'a': 'look'}."),
        (
            [ModelRequest([ToolReturnPart("look", "x", "a")])],
            "Message 0 has the results of {'a': 'look'}; called was {}.",
        ),
        ([ModelRequest([SystemPromptPart("x")])], "The user said nothing at first."),
    ],
)
def test_validator_sees_each_fault(messages, what):
    assert fault(messages) == what

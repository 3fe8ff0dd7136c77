"""What people send, and within which limits, whatever way they send it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.formats import localize
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retinue.budgets.units import Unit
from retinue.errors import InvalidInput
from retinue.executions.states import Rating, Status
from retinue.http import strict_json
from retinue.sessions.models import TITLE_LENGTH, Policy
from retinue.storable import storable

DAY = timedelta(days=1)
LONGEST_PROMPT = 2000
LEAST, MOST, STEP, USUAL = 10, 500, 10, 50
"""How many credits a question may be allowed."""
OUT_OF_RANGE = format_lazy(
    gettext_lazy("A question is allowed {least} to {most} in steps of {step}."), least=LEAST, most=MOST, step=STEP
)


class TextField(forms.CharField):
    """A text, also where JSON could bring something else. A line break counts as one character."""

    def to_python(self, value: Any) -> str:
        if value is not None and not isinstance(value, str):
            raise forms.ValidationError(_("“%(name)s” is a text.") % {"name": self.label})
        return super().to_python((value or "").replace("\r\n", "\n")) or ""


class PromptField(TextField):
    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 4, "placeholder": gettext_lazy("Ask me anything...")})
        missing = {"required": gettext_lazy("Missing prompt")}
        super().__init__(
            label=gettext_lazy("Prompt"),
            help_text=gettext_lazy("Enter your question or request"),
            widget=widget,
            error_messages=missing,
            **options,
        )
        self.widget.attrs["maxlength"] = LONGEST_PROMPT

    def clean(self, value: Any) -> str:
        prompt: str = super().clean(value)
        if len(prompt) > LONGEST_PROMPT:
            numbers = {"length": localize(len(prompt)), "limit": localize(LONGEST_PROMPT)}
            raise forms.ValidationError(
                _("The prompt has %(length)s characters; at most %(limit)s are allowed.") % numbers
            )
        return prompt


def _allocation_help() -> str:
    return _("%(credits)s tokens to allocate for this query") % {"credits": Unit.CREDITS.shown}


class QueryForm(forms.Form):
    """A question, and what it may cost."""

    prompt = PromptField()
    context_allocation = forms.IntegerField(
        label=gettext_lazy("Context allocation"),
        initial=USUAL,
        min_value=LEAST,
        max_value=MOST,
        step_size=STEP,
        required=False,
        error_messages={
            "invalid": gettext_lazy("The allocation is a whole number."),
            **dict.fromkeys(("min_value", "max_value", "step_size"), OUT_OF_RANGE),
        },
    )
    use_session = forms.BooleanField(
        label=gettext_lazy("Use session"), required=False, help_text=gettext_lazy("Maintain conversation context")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["context_allocation"].help_text = _allocation_help()

    def clean_context_allocation(self) -> int:
        given: int | None = self.cleaned_data["context_allocation"]
        return USUAL if given is None else given

    @property
    def max_credits(self) -> Decimal:
        return Decimal(self.cleaned_data["context_allocation"])


class MessageForm(QueryForm):
    """A question that may go on with a conversation."""

    session_id = forms.UUIDField(
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid": gettext_lazy("The id of a session is a UUID.")},
    )


class AskForm(MessageForm):
    """A message of a chat. `idempotency_key` is made with the page: a double click is one message."""

    agent = TextField(label="agent", required=False, max_length=100, widget=forms.HiddenInput)
    policy = forms.ChoiceField(
        choices=[("", ""), *Policy.choices],
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": gettext_lazy("The policy is enqueue, reject or interrupt.")},
    )
    replaces = forms.UUIDField(
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid": gettext_lazy("The id of a message is a UUID.")},
    )
    idempotency_key = TextField(
        label="idempotency_key", required=False, max_length=100, widget=forms.HiddenInput, initial=lambda: uuid4().hex
    )


class EditForm(forms.Form):
    prompt = PromptField()


class RatingForm(forms.Form):
    """What somebody thinks of an answer."""

    RATINGS = {"up": Rating.UP, "down": Rating.DOWN, "clear": None}

    rating = forms.ChoiceField(
        choices=[(word, word) for word in RATINGS],
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), gettext_lazy("The rating is “up”, “down” or “clear”.")
        ),
    )
    note = TextField(
        label="note",
        required=False,
        max_length=1000,
        error_messages={"max_length": gettext_lazy("The note has more than 1000 characters.")},
    )

    def clean_rating(self) -> Rating | None:
        return self.RATINGS[self.cleaned_data["rating"]]


class TitleForm(forms.Form):
    title = TextField(
        label="title",
        max_length=TITLE_LENGTH,
        error_messages={
            "required": gettext_lazy("The title is empty."),
            "max_length": gettext_lazy("The title has more than %(limit_value)d characters."),
        },
    )


class JSONValueField(forms.JSONField):
    """A JSON value; that of an empty object or list is one, too. In a JSON body it is one already."""

    empty_values = [None, ""]

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return strict_json.loads(value) if value else None
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class SessionForm(forms.Form):
    """A conversation that is begun before its first message."""

    context = JSONValueField(required=False, error_messages={"invalid": gettext_lazy("The context is a JSON object.")})

    def clean_context(self) -> dict[str, Any]:
        context: Any = self.cleaned_data["context"]
        if context is None:
            return {}
        if not isinstance(context, dict):
            raise forms.ValidationError(_("The context is a JSON object."))
        return storable(context)  # type: ignore[no-any-return]


class DecisionForm(forms.Form):
    """What a person says to a call that waits for it."""

    DECISIONS = ("approve", "deny")

    decision = forms.ChoiceField(
        choices=[(word, word) for word in DECISIONS],
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), gettext_lazy("The decision is “approve” or “deny”.")
        ),
    )
    note = TextField(label="note", required=False)
    arguments = JSONValueField(required=False, error_messages={"invalid": gettext_lazy("Arguments are a JSON object.")})


class DayField(forms.DateField):
    """A day that has a day before it and one after it, wherever on earth."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False,
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            validators=[MinValueValidator(date.min + DAY), MaxValueValidator(date.max - DAY)],
            **options,
        )


class HistoryForm(forms.Form):
    """Which of the earlier questions are to be shown."""

    status = forms.ChoiceField(
        label=gettext_lazy("Status"), choices=[("", gettext_lazy("All")), *Status.choices], required=False
    )
    session = forms.UUIDField(label=gettext_lazy("Session"), required=False)
    since = DayField(label=gettext_lazy("From"))
    until = DayField(label=gettext_lazy("To"))
    text = forms.CharField(label=gettext_lazy("Text"), required=False, max_length=200)


def checked(form: forms.Form) -> dict[str, Any]:
    """What a form holds. Raises InvalidInput with the first of its errors, which is a sentence."""
    if form.is_valid():
        return form.cleaned_data
    raise InvalidInput(str(next(iter(form.errors.values()))[0]))

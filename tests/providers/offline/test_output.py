"""Whatever the schema, the output is valid."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter, create_model, field_validator
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, ToolOutput

from retinue.providers.offline import OfflineModel
from retinue.providers.offline.clause import Clause
from retinue.providers.offline.material import Material
from retinue.providers.offline.output import Output
from tests.providers.offline.shop import called, shop

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PROMPTS = (
    "",
    "The lamp is great, but 2 of 17 arrived broken. Anna, anna@example.com",
    "Write 'yes' on 2026-03-04 for € 12.50 to https://example.org/x",
)
NAMES = [
    "sentiment",
    "confidence",
    "rating",
    "keywords",
    "summary",
    "title",
    "language",
    "count",
    "is_urgent",
    "items",
    "score",
    "id",
    "product_id",
    "price",
    "answer",
    "reason",
    "category",
    "published",
    "email",
    "name",
    "tags",
    "pros",
    "word_count",
    "next_steps",
    "kind",
]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@st.composite
def numbers(draw: st.DrawFn, of: type) -> Any:
    low = draw(st.none() | st.integers(-1000, 1000))
    width = draw(st.none() | st.integers(6, 2000))
    bounds: dict[str, Any] = {}
    if low is not None:
        bounds[draw(st.sampled_from(["ge", "gt"]))] = low
    if width is not None:
        bounds[draw(st.sampled_from(["le", "lt"]))] = (low or 0) + width
    if draw(st.booleans()):
        bounds["multiple_of"] = draw(st.sampled_from([1, 2, 5] if of is int else [0.5, 1, 2.5]))
    return Annotated[of, Field(**bounds)]


@st.composite
def texts(draw: st.DrawFn) -> Any:
    if draw(st.booleans()):
        pattern = draw(
            st.sampled_from(
                [r"^[A-Z]{3}-\d{4}$", r"^\w+$", r"^(low|high)$", r"^[^a]+x?$", r"\d", r"^a{2,5}b*$", r"^v\d+\.\d+$"]
            )
        )
        return Annotated[str, Field(pattern=pattern)]
    least = draw(st.integers(0, 30))
    return Annotated[str, Field(min_length=least, max_length=least + draw(st.integers(0, 30)))]


SCALARS = st.one_of(
    st.sampled_from(
        [str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID, AnyUrl, Colour, Any, None, bytes]
    ),
    numbers(int),
    numbers(float),
    texts(),
    st.lists(st.sampled_from(["positive", "negative", "neutral", "a", "b", "other"]), min_size=1, unique=True).map(
        lambda values: Literal[tuple(values)]  # type: ignore[valid-type]
    ),
    st.just(Literal[1, 2, 3]),
)


@st.composite
def sequences(draw: st.DrawFn, inner: Any) -> Any:
    least = draw(st.integers(0, 3))
    return Annotated[list[inner], Field(min_length=least, max_length=least + draw(st.integers(0, 3)))]


@st.composite
def models(draw: st.DrawFn, inner: Any) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)):
        kind = draw(inner)
        fields[name] = draw(st.sampled_from([(kind, ...), (kind | None if kind is not None else None, None)]))
    return create_model(f"Model{draw(st.integers(0, 9))}", **fields)


@st.composite
def unions(draw: st.DrawFn, inner: Any) -> Any:
    one = create_model("One", kind=(Literal["one"], "one"), value=(draw(inner), ...))
    two = create_model("Two", kind=(Literal["two"], ...), value=(draw(inner), ...))
    return Annotated[one | two, Field(discriminator="kind")]


TYPES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.flatmap(lambda kind: sequences(kind)),
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: kind | None if kind is not None else None),
        st.tuples(inner, inner).map(lambda kinds: tuple[kinds]),  # type: ignore[valid-type]
        models(inner),
        unions(inner),
    ),
    max_leaves=8,
)


def material(prompt: str) -> Material:
    return Material(prompt, prompt, Clause(prompt, prompt, AT), AT)


@settings(max_examples=400, deadline=None)
@given(kind=TYPES, prompt=st.sampled_from(PROMPTS))
def test_output_is_valid_for_any_schema(kind: Any, prompt: str) -> None:
    adapter = TypeAdapter(kind)
    output = Output(adapter.json_schema(), material(prompt)).fill()
    adapter.validate_python(output) if isinstance(output, str) else adapter.validate_json(
        __import__("json").dumps(output)
    )


REVIEW = (
    "The Oslo lamp arrived quickly and looks beautiful. The light is warm and the build quality is excellent. "
    "However, the cable is too short and the switch feels cheap. Still, I love the lamp!"
)


class Analysis(BaseModel):
    sentiment: Literal["positive", "neutral", "negative"]
    keywords: list[str] = Field(max_length=4)
    confidence: float = Field(ge=0, le=1)


class Report(BaseModel):
    title: str = Field(max_length=40)
    summary: str
    language: str
    sentiment_score: float = Field(ge=-1, le=1)
    rating: int = Field(ge=1, le=5)
    cons: list[str]
    priority: Literal["low", "medium", "high"]
    category: Literal["delivery", "quality", "other"]
    is_urgent: bool
    word_count: int
    email: str | None = None


class Item(BaseModel):
    id: int
    name: str
    price: float


class Catalogue(BaseModel):
    products: list[Item]
    total_count: int
    average_price: float
    cheapest: Item | None = None


class Verdict(BaseModel):
    review_id: int
    sentiment: Literal["positive", "negative", "neutral"]


class Verdicts(BaseModel):
    product_name: str
    verdicts: list[Verdict]
    average_rating: float | None


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    meows: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    barks: int


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Node(BaseModel):
    name: str
    children: list[Node]


ANALYSIS = Analysis(sentiment="positive", keywords=["lamp", "Oslo", "light", "build"], confidence=0.71)


@pytest.mark.parametrize(
    "output_type", [Analysis, NativeOutput(Analysis), PromptedOutput(Analysis), ToolOutput(Analysis)]
)
def test_every_mode_gives_the_same(output_type):
    assert Agent(OfflineModel(), output_type=output_type).run_sync(f"Analyse this review: {REVIEW}").output == ANALYSIS


@pytest.mark.parametrize(
    ("output_type", "prompt", "output"),
    [
        (
            Report,
            REVIEW,
            Report(
                title="The Oslo lamp arrived quickly and…",
                summary="The Oslo lamp arrived quickly and looks beautiful. Still, I love the lamp!",
                language="en",
                sentiment_score=0.6,
                rating=4,
                cons=["However, the cable is too short and the switch feels cheap."],
                priority="medium",
                category="quality",
                is_urgent=False,
                word_count=34,
            ),
        ),
        (
            Report,
            "Urgent: the delivery is late, write to bob@example.com",
            Report(
                title="Urgent: the delivery is late, write to…",
                summary="Urgent: the delivery is late, write to bob@example.com",
                language="en",
                sentiment_score=-1,
                rating=1,
                cons=["Urgent: the delivery is late, write to bob@example.com"],
                priority="high",
                category="delivery",
                is_urgent=True,
                word_count=10,
                email="bob@example.com",
            ),
        ),
        (Pet, "My dog barks 3 times", Pet(pet=Dog(barks=3))),
        (Pet, "A cat", Pet(pet=Cat(meows=0))),
        (Node, "A tree", Node(name="tree", children=[])),
        (list[str], "Keywords of this text: apples and pears, apples", ["apples", "pears"]),
        (int, "How many is 5", 5),
        (bool, "Is it?", False),
        (dict[str, int], "x", {}),
    ],
)
def test_fields_say_what_is_known(output_type, prompt, output):
    assert Agent(OfflineModel(), output_type=output_type).run_sync(prompt).output == output


def test_output_is_filled_from_what_tools_return():
    result = shop(output_type=Catalogue).run_sync("Find all lamps")
    assert called(result.new_messages())[:-1] == [("search_products", {"query": "lamp"})]
    lamps = [Item(id=17, name="Oslo lamp", price=89), Item(id=18, name="Oslo desk lamp", price=49)]
    assert result.output == Catalogue(products=lamps, total_count=2, average_price=69, cheapest=lamps[1])


def test_each_item_is_judged_by_itself():
    assert shop(output_type=Verdicts).run_sync("Analyse the reviews of the Oslo lamp").output == Verdicts(
        product_name="Oslo lamp",
        verdicts=[Verdict(review_id=1, sentiment="positive"), Verdict(review_id=2, sentiment="negative")],
        average_rating=3.5,
    )


def test_output_function_gets_its_arguments():
    def order(product: str, quantity: int) -> str:
        return f"{quantity} × {product}"

    assert Agent(OfflineModel(), output_type=order).run_sync("product: lamp, quantity: 12").output == "12 × lamp"


@pytest.mark.parametrize(
    ("prompt", "output"),
    [("The sentiment of: I love it", Analysis(sentiment="positive", keywords=["love"], confidence=0.68))],
)
def test_fitting_one_of_several_outputs_is_taken(prompt, output):
    assert Agent(OfflineModel(), output_type=[Item, Analysis]).run_sync(prompt).output == output
    assert isinstance(Agent(OfflineModel(), output_type=[Analysis, str]).run_sync("Hello").output, str)


class Positive(BaseModel):
    amount: int

    @field_validator("amount")
    @classmethod
    def is_positive(cls, value: int) -> int:
        if value < 1:
            raise ValueError("too small")
        return value


@pytest.mark.parametrize("output_type", [Positive, NativeOutput(Positive)])
def test_refused_output_is_corrected(output_type):
    assert Agent(OfflineModel(), output_type=output_type).run_sync("Hi").output == Positive(amount=1)


def test_output_refused_in_words_is_varied():
    agent = Agent(OfflineModel(), output_type=Colours, retries={"output": 3})

    @agent.output_validator
    def blue(output: Colours) -> Colours:
        if output.colour != "blue":
            raise ModelRetry("The colour must be another one.")
        return output

    assert agent.run_sync("Hi").output == Colours(colour="blue")


class Colours(BaseModel):
    colour: Literal["red", "green", "blue"]

"""Amounts are whole numbers of 10⁻⁹ in the database and decimals everywhere else."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.serializers import deserialize, serialize
from django.db import connection
from django.db.models import ExpressionWrapper, F, Max, Sum, Value

from retinue.executions.models import AgentExecution
from retinue.fields import LIMIT, UNIT, AmountField, to_units


def execution(**values):
    made = AgentExecution(agent_name="a", principal_type="system", input_prompt="x", **values)
    made.root_id = made.pk
    made.save(force_insert=True)
    return made


def stored(execution):
    """What the column holds."""
    with connection.cursor() as cursor:
        key = execution.pk if connection.vendor == "postgresql" else execution.pk.hex
        cursor.execute("SELECT cost FROM retinue_agentexecution WHERE id = %s", [key])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        ("0", 0),
        ("1", 10**9),
        ("0.000000001", 1),
        ("0.0000000001", 1),  # a fraction of a unit is a whole one
        ("0.0000000010", 1),
        ("0.0000000011", 2),
        ("1.0000000001", 10**9 + 1),
        ("-0.0000000001", -1),  # away from zero
        ("12345.678901234", 12_345_678_901_234),
        ("9223372036.854775807", 2**63 - 1),
    ],
)
def test_rounded_up_to_whole_units(amount, units):
    assert to_units(Decimal(amount)) == units


@pytest.mark.django_db
@pytest.mark.parametrize("amount", ["0", "0.000000001", "0.3", "123.456789012", "9223372036.854775807"])
def test_what_is_written_is_read(amount):
    written = execution(cost=Decimal(amount))
    read = AgentExecution.objects.get(pk=written.pk).cost
    assert (type(read), read) == (Decimal, Decimal(amount))
    assert stored(written) == int(Decimal(amount) * 10**9)


@pytest.mark.django_db
def test_nothing_is_not_zero():
    written = execution(cost=None)
    assert AgentExecution.objects.get(pk=written.pk).cost is None
    assert list(AgentExecution.objects.filter(cost=0)) == []
    assert AgentExecution.objects.filter(cost__isnull=True).get() == written


@pytest.mark.django_db
def test_sums_are_exact():
    """A tenth has no exact float: ten of them are one only where nothing is a float on the way."""
    for _ in range(10):
        execution(cost=Decimal("0.1"))
    execution(cost=Decimal("0.000000001"))
    found = AgentExecution.objects.aggregate(total=Sum("cost"), most=Max("cost"))
    assert found == {"total": Decimal("1.000000001"), "most": Decimal("0.1")}
    assert type(found["total"]) is Decimal
    assert AgentExecution.objects.none().aggregate(total=Sum("cost")) == {"total": None}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lookup", "names"),
    [
        ({"cost": Decimal("0.0005")}, "b"),
        ({"cost__gt": Decimal("0.0005")}, "c"),
        ({"cost__gte": Decimal("0.0005")}, "bc"),
        ({"cost__lt": Decimal("0.0005")}, "a"),
        ({"cost__lte": Decimal("0.0005")}, "ab"),
        ({"cost__gte": "0.0005"}, "bc"),
        ({"cost__gte": 0.0005}, "bc"),
        ({"cost__lt": 0.0005}, "a"),
        ({"cost__gt": 0.0004}, "bc"),
        ({"cost__lte": 0.0006}, "ab"),
        ({"cost__lt": 1}, "abc"),
        ({"cost__gte": 1}, ""),
        ({"cost__in": [Decimal("0.0001"), Decimal("2")]}, "a"),
        ({"cost__range": (Decimal("0.0002"), Decimal("1"))}, "bc"),
        ({"cost__gt": Decimal(10**12)}, ""),  # more than the column can hold
        ({"cost__lt": Decimal(10**12)}, "abc"),
        ({"cost__exact": Decimal(10**12)}, ""),
    ],
)
def test_compared_in_its_own_unit(lookup, names):
    for name, cost in [("a", "0.0001"), ("b", "0.0005"), ("c", "0.25")]:
        execution(cost=Decimal(cost), error_message=name)
    found = AgentExecution.objects.filter(**lookup).order_by("cost").values_list("error_message", flat=True)
    assert "".join(found) == names


@pytest.mark.django_db
def test_compared_and_ordered_in_the_database():
    execution(cost=Decimal("0.2"), charge=Decimal("0.1"))
    execution(cost=Decimal("0.1"), charge=Decimal("0.2"))
    assert AgentExecution.objects.filter(cost__gt=F("charge")).get().cost == Decimal("0.2")
    assert list(AgentExecution.objects.order_by("cost").values_list("cost", flat=True)) == [
        Decimal("0.1"), Decimal("0.2"),
    ]  # fmt: skip
    both = ExpressionWrapper(F("cost") + F("charge"), output_field=AmountField())
    assert set(AgentExecution.objects.values_list(both, flat=True)) == {Decimal("0.3")}


@pytest.mark.django_db
def test_updated_in_the_database():
    first = execution(cost=Decimal("0.5"))
    AgentExecution.objects.filter(pk=first.pk).update(cost=Decimal("0.0000000005"), charge=F("cost"))
    first.refresh_from_db()
    assert (first.cost, first.charge) == (Decimal("0.000000001"), Decimal("0.5"))
    AgentExecution.objects.update(charge=F("charge") + Value(Decimal("0.25"), AmountField()))
    first.refresh_from_db()
    assert first.charge == Decimal("0.75")


@pytest.mark.django_db
def test_serialized_and_back():
    written = execution(cost=Decimal("0.000000001"), charge=None)
    text = serialize("json", [written])
    (read,) = deserialize("json", text)
    assert (read.object.cost, read.object.charge) == (Decimal("0.000000001"), None)


@pytest.mark.parametrize("nonsense", ["much", "", "1,5", "NaN", "Infinity", object()])
def test_what_is_no_amount_is_refused(nonsense):
    field = AmountField()
    with pytest.raises(ValidationError):
        field.clean(nonsense, None)


@pytest.mark.django_db
@pytest.mark.parametrize(("amount", "valid"), [(LIMIT, True), (-LIMIT, True), (LIMIT + UNIT, False)])
def test_limits_of_the_column(amount, valid):
    field = AmountField()
    if valid:
        assert field.clean(amount, None) == amount
    else:
        with pytest.raises(ValidationError):
            field.clean(amount, None)


@pytest.mark.parametrize("given", [1, "1", 1.0, Decimal(1)])
def test_whatever_a_number_is_given_as(given):
    assert AmountField().to_python(given) == Decimal(1)
    assert AmountField().get_prep_value(given) == 10**9

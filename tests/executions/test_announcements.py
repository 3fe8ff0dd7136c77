"""Telling other processes of new events."""

import time
from uuid import uuid4

import pytest
import redis
from django.db import connection, transaction

from retinue.executions import announcements
from retinue.executions.announcements import CHANNEL, announce, redis_url, uses_notify
from tests import servers

pytestmark = pytest.mark.django_db(transaction=True)

ONE, TWO = uuid4(), uuid4()


@pytest.fixture
def told(settings):
    """What is said on Redis's channel."""
    settings.RETINUE = {"EVENTS": servers.redis_url()}
    with redis.Redis.from_url(servers.redis_url()) as client, client.pubsub() as subscription:
        subscription.subscribe(CHANNEL)
        while subscription.get_message(timeout=10) is None:
            pass

        def said(mine=(str(ONE), str(TWO))):
            client.publish(CHANNEL, "end")
            found = []
            while (message := subscription.get_message(timeout=10)) and message["data"] != b"end":
                found.append(message["data"].decode())
            return [each for each in found if each in mine]  # other tests speak there, too

        yield said


@pytest.mark.parametrize(
    ("events", "notify", "redis"),
    [("auto", True, None), ("poll", False, None), ("redis://there:1/0", False, "redis://there:1/0")],
)
def test_ways(settings, events, notify, redis):
    settings.RETINUE = {"EVENTS": events}
    assert uses_notify("default") == (notify and connection.vendor == "postgresql")
    assert redis_url() == redis


def test_redis_is_told_of_each_once(told):
    announce("default", [ONE, TWO, ONE])
    assert told() == [str(ONE), str(TWO)]


def test_redis_is_told_after_the_commit(told):
    with transaction.atomic():
        announce("default", [ONE])
        assert told() == []
    assert told() == [str(ONE)]


def test_nothing_is_said_of_what_is_rolled_back(told):
    with pytest.raises(RuntimeError), transaction.atomic():
        announce("default", [ONE])
        raise RuntimeError
    assert told() == []


def test_nothing_is_said_of_nothing(told, django_assert_num_queries):
    with django_assert_num_queries(0):
        announce("default", [])
    assert told() == []


def test_redis_that_is_away_is_left_alone_for_a_while(settings, monkeypatch, caplog):
    settings.RETINUE = {"EVENTS": "redis://127.0.0.1:1/7"}
    announce("default", [ONE])
    assert caplog.text.count("Redis was not told of new events") == 1
    for _ in range(100):
        announce("default", [ONE])
    assert caplog.text.count("Redis was not told of new events") == 1
    monkeypatch.setitem(announcements._away_until, settings.RETINUE["EVENTS"], time.monotonic())
    announce("default", [ONE])
    assert caplog.text.count("Redis was not told of new events") == 2

"""The kill tests in short: `make torture` is the long form."""

import random

import pytest

from retinue.runtime import points
from tests.torture.checks import Report
from tests.torture.tormentor import Tormentor

pytestmark = pytest.mark.django_db(transaction=True)


def test_runs_survive_kills_at_every_point(stage, user):
    tormentor = Tormentor(stage.nursery, stage.folder, user, random.Random(20))
    tormentor.run(20)
    assert tormentor.report() == Report()
    assert all(tormentor.tally.kills[point] for point in points.ALL)
    assert tormentor.tally.servers > 1
    assert tormentor.tally.connections > tormentor.tally.watchers > 0

"""The admin's pages on workers."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from retinue.executions.models import Worker
from tests.admin.conftest import log_in
from tests.admin.test_executions import text


@pytest.fixture
def workers(db):
    now = timezone.now()
    gone = now - timedelta(seconds=16)
    Worker.objects.create(name="web:2", concurrency=5, embedded=True, queues=["slow", "fast"], seen_at=gone)
    return Worker.objects.create(name="host:1", concurrency=100, active=7, seen_at=now)


def test_shows_who_is_alive_and_how_busy(page, workers):
    html = page("worker/").content.decode()
    lines = re.findall(r"<tr>(.*?)</tr>", html.partition("<tbody>")[2], re.DOTALL)
    assert [text(re.search(r'field-load">(.*?)<', line)[1]) for line in lines] == ["7 of 100", "0 of 5"]
    assert [text(re.search(r'field-serves">(.*?)<', line)[1]) for line in lines] == ["all", "slow, fast"]
    assert [re.search(r'field-alive"><img[^>]*alt="(\w+)"', line)[1] for line in lines] == ["True", "False"]


def test_detail(page, workers):
    html = page(f"worker/{workers.pk}/change/").content.decode()
    assert "host:1" in html and "7 of 100" in html


def test_list_takes_few_queries(page, workers, django_assert_num_queries):
    with django_assert_num_queries(4):  # session, user, count, list
        page("worker/")


def test_nobody_adds_changes_or_deletes(page, workers):
    place = f"/admin/retinue/worker/{workers.pk}"
    assert page.client.get("/admin/retinue/worker/add/").status_code == 403
    assert page.client.post(f"{place}/change/", {}).status_code == 403
    assert page.client.post(f"{place}/delete/", {"post": "yes"}).status_code == 403
    assert Worker.objects.count() == 2


def test_staff_need_the_permission_to_view(workers, staff, grant):
    assert log_in(staff).get("/admin/retinue/worker/").status_code == 403
    grant(staff, "retinue.view_worker")
    assert log_in(staff).get("/admin/retinue/worker/").status_code == 200

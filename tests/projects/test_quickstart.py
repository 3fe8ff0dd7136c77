"""The README's quick start, and the pages that go on with it, followed line by line in a new project."""

import sqlite3
from contextlib import closing

from tests.docs.pages import COMMANDS, QUICKSTART, README, blocks
from tests.projects.terminal import Terminal

QUEUED = "SELECT count(*) FROM retinue_agentexecution WHERE status IN ('queued', 'running')"


VISIT = """
from django.conf import settings
from django.test import Client
settings.ALLOWED_HOSTS = ["testserver"]
client = Client()
client.force_login(User.objects.get(username="ada"))
for name in ("agentexecution", "approval", "worker"):
    print(name, client.get(f"/admin/retinue/{name}/").status_code)
"""


class Project:
    """What the blocks of a page make of an empty folder."""

    def __init__(self, folder):
        self.terminal = Terminal(folder)

    def follow(self, block):
        if block.language == "console":
            for command in block.commands():
                self.terminal.follow(command, until=lambda: self.one(QUEUED) == 0)
        elif block.language == "python":
            assert block.path, f"{block.place}: which file is this?"
            file = self.terminal.folder / block.path
            before = file.read_text() if block.appended else ""
            file.write_text(f"{before}\n{block.body}" if before else block.body)

    def one(self, query):
        """The first value of a query of the project's database."""
        with closing(sqlite3.connect(self.terminal.folder / "db.sqlite3", timeout=20)) as connection:
            return connection.execute(query).fetchone()[0]


def test_quick_start_line_by_line(tmp_path):
    project = Project(tmp_path)
    for page in (README, QUICKSTART, COMMANDS):
        for block in blocks(page):
            if block.is_followed:
                project.follow(block)
    assert project.one("SELECT group_concat(text) FROM notes_note") == "Water the plants"
    assert project.one("SELECT group_concat(status) FROM retinue_approval") == "approved,denied"
    assert project.one("SELECT count(*) FROM retinue_agentexecution WHERE status = 'failed'") == 0
    visited, _ = project.terminal.run(f"python manage.py shell -v 0 -c '{VISIT}'")
    assert visited.split() == ["agentexecution", "200", "approval", "200", "worker", "200"]

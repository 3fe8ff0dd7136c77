"""A `manage.py` that knows the agents of these tests: `python -m tests.management run_agent …`.

RETINUE in the environment is the setting of that name, as JSON.
"""

import json
import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.RETINUE = json.loads(os.environ.get("RETINUE", "{}"))
    django.setup()

    from retinue.agents.registry import registered
    from tests.management.agents import asking, sleeper

    with registered(asking(), sleeper()):
        execute_from_command_line(["manage.py", *sys.argv[1:]])

"""A process that sends messages to one session: `python -m tests.survival.talkers SESSION POLICY NAME NUMBER`.

It says `ready`, waits for a line, sends NUMBER messages that begin with NAME one after another, and says how each of
them was taken: `sent`, or the code of the error.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    import django

    django.setup()
    from retinue.agents.registry import registered
    from retinue.errors import RetinueError
    from retinue.sessions.models import AISession
    from tests.survival.agents import talker

    session_id, policy, name, number = sys.argv[1:]
    session = AISession.objects.get(pk=session_id)
    taken = []
    with registered(talker):
        say("ready")
        sys.stdin.readline()
        for count in range(int(number)):
            try:
                talker.enqueue(f"{name}{count}", principal=session.principal, session=session.pk, policy=policy)
                taken.append("sent")
            except RetinueError as error:
                taken.append(error.code)
    say(json.dumps(taken))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

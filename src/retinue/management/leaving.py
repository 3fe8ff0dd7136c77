"""Leaving a process in which a tool may still be busy."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

JOIN_SECONDS = 2.0
"""How long threads get to end by themselves."""


def exit_promptly(code: int) -> None:
    """Exit with this code, though a tool's thread may go on for hours: Python itself would wait for it.

    What such a thread still does cannot be recorded any more. Returns where every thread has ended.
    """
    deadline = time.monotonic() + JOIN_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(deadline - time.monotonic(), 0))
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                logging.shutdown()
                os._exit(code)

"""The event loop of a process, its threads, and its one way to the database."""

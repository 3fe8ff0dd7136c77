"""The journal's SQL: few statements of constant text, each conditional on the lease.

The ORM compiles anew for every call; here that would be most of the cost (docs/decisions/journal.md).
"""

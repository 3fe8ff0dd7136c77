"""The engine: runs agents durably. Everything that is asynchronous and everything that is journaled meets here."""

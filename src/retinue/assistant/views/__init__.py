"""Views of the assistant site: each reads a request, has others do the work, and says what came of it."""

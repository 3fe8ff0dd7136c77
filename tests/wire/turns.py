"""What a provider answers, in no provider's words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens: all of the input, with those read from a cache and written to one."""

    input: int = 20
    cached: int = 0
    written: int = 0
    written_1h: int = 0
    """Of those written: to a cache that lasts for an hour."""
    output: int = 5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A text, word by word where it is streamed, or a call of a tool with these arguments as JSON."""

    text: str = ""
    tool: str = ""
    arguments: str = "{}"
    usage: Usage = Usage()

    @property
    def deltas(self) -> list[str]:
        return [f"{word} " for word in self.text.split()]

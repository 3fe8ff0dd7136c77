"""How many tokens a text can be, from above, without asking a tokenizer.

Each provider has tokenizers of its own, so that what is counted here must hold for all of them. A class of characters
weighs what the vocabularies of real models make of it at worst (tests/providers/samples.py has the figures): usual
small letters a good third of a token, digits more than one, since some models take each by itself, and most of what is
outside ASCII one for each byte, which no tokenizer that works on bytes exceeds.
"""

from __future__ import annotations

SMALL = b"abcdefghilmnoprstu"
CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = b"0123456789"
PUNCTUATION = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
CYRILLIC = bytes(range(0xD0, 0xD4))
GREEK = b"\xce\xcf"
SEMITIC = bytes(range(0xD7, 0xDC))
OTHER = bytes(sorted(set(range(0x80, 0x100)) - set(CYRILLIC + GREEK + SEMITIC)))

WEIGHTS = ((b" ", 36), (SMALL, 36), (CAPITALS, 80), (DIGITS, 125), (PUNCTUATION, 75))
"""Hundredths of a token for bytes of ASCII; any other, such as a rare letter, is 100."""
BEYOND_ASCII = ((CYRILLIC, 0), (GREEK, 50), (SEMITIC, 25), (OTHER, 100))
"""The same outside ASCII. The first three begin letters of two bytes, of which the second is 100."""

_ALL = (*WEIGHTS, *BEYOND_ASCII)
_CLASSES = bytes(next((n for n, (members, _) in enumerate(_ALL, 1) if byte in members), 0) for byte in range(256))
_SPACE, *_ASCII = ((number, 100 - weight) for number, (_, weight) in enumerate(WEIGHTS, 1))
_BEYOND = [(number, 100 - weight) for number, (_, weight) in enumerate(BEYOND_ASCII, 1 + len(WEIGHTS))]


def most_tokens(text: str) -> int:
    """The most tokens that this text can be."""
    classes = text.encode(errors="surrogatepass").translate(_CLASSES)
    hundredths = 100 * len(classes)
    for number, saved in _ASCII:
        hundredths -= saved * classes.count(number)
    spaces, beyond = classes.count(_SPACE[0]), 0
    if not text.isascii():
        for number, saved in _BEYOND:
            found = classes.count(number)
            hundredths -= saved * found
            beyond += found
    # A space makes one token with the word behind it only where that is of ASCII letters.
    hundredths -= _SPACE[1] * max(0, spaces - beyond // 2)
    return -(-hundredths // 100)

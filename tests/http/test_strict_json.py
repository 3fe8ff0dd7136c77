"""What of JSON is refused though Python reads it."""

import pytest

from retinue.http.strict_json import loads


@pytest.mark.parametrize("text", ['{"a": [1, 0.5, null, "ü", "\\u0000"]}', b'"\xc3\xbc"', "-1e308", '"\\ud83d\\ude00"'])
def test_json(text):
    assert loads(text) in ({"a": [1, 0.5, None, "ü", "\0"]}, "ü", -1e308, "😀")


@pytest.mark.parametrize(
    "text", ["NaN", "[-Infinity]", "1e999", '"\\ud800"', '{"\\udfff": 1}', "[" * 100_000, "9" * 5000, b"\xff", "", "{"]
)
def test_what_is_refused(text):
    with pytest.raises(ValueError):
        loads(text)

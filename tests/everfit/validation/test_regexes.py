import pytest

from everfit.validation.regexes import trouble


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(a+)+$",
        r"([a-z]+)*",
        r"(\w+\s?)*$",
        r"(.*,)+",
        r"(.*)*",
        r"(\w+|-)*",
        r"(a|a)*",
        r"(?:a+b?)+",
        r"(a{1,30}){5,30}",
    ],
)
def test_a_repeat_of_a_repeat_is_refused(pattern):
    assert "repeats what already repeats" in trouble(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"), [(r"a(?=b)", "looks"), (r"(?<!a)b", "looks"), (r"(a)\1", "refers back"), ("[", "not a")]
)
def test_what_cannot_be_bounded_or_read_is_refused(pattern, why):
    assert why in trouble(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}-\d{2}$",
        r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
        r"^[a-z]+([.][a-z]+)*$",
        r"^(?:[A-Z]{2}\d+;)*$",
        r"(a|b)*",
        r"(?>a+)+",
        r"(?s).*",
        r"^(GET|POST) /\S*$",
    ],
)
def test_ordinary_patterns_pass(pattern):
    assert trouble(pattern) == ""

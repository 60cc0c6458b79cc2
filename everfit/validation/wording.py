"""Say rules and what was observed in words that a person reads at a glance."""

from typing import Any

from everfit.pages import number

LENGTH = 80
LISTED = 6
HIDDEN = "(hidden)"
ABOUT = ("column", "column_A", "column_B", "column_list", "row_condition", "condition_parser")


def rule(name: str, kwargs: dict[str, Any]) -> str:
    """Write an expectation as a phrase.

    >>> rule("expect_column_values_to_be_between", {"column": "age", "min_value": 0, "max_value": 120, "mostly": 0.99})
    'values to be between 0 and 120, in 99 % of rows'
    """
    words = name.removeprefix("expect_").removeprefix("column_").removeprefix("table_").replace("_", " ")
    given = {key: value for key, value in kwargs.items() if key not in ABOUT and value is not None}
    parts = [words]
    if {"min_value", "max_value"} & set(given):
        parts = [
            f"{words.removesuffix(' between')} {_bounds(given.pop('min_value', None), given.pop('max_value', None))}"
        ]
    mostly = given.pop("mostly", 1)
    if "quantile_ranges" in given:
        parts.append(_quantiles(given.pop("quantile_ranges")))
    parts += [value_text(given.pop(key)) for key in list(given) if isinstance(given[key], list)]
    parts += [
        f"{key.rstrip('_').replace('_', ' ')} {value_text(value)}" for key, value in given.items() if value is not False
    ]
    text = f"{parts[0]}{': ' if parts[1:] else ''}{', '.join(parts[1:])}"
    text += f", in {share(mostly)} of rows" if mostly != 1 else ""
    return f"{text}, where {condition(kwargs['row_condition'])}" if kwargs.get("row_condition") else text


def observed(name: str, answer: dict[str, Any]) -> str:
    """Write what was seen by an expectation, from the plain answer of the engine."""
    if "unexpected" in answer and answer.get("judged"):
        judged = max(answer["judged"] - answer.get("missing", 0), 0)
        if not judged:
            return "nothing to judge: every value is missing"
        return f"{answer['unexpected']:,} of {judged:,} ({share(answer['unexpected'] / judged)})"
    seen, details = answer.get("observed"), answer.get("details") or {}
    mismatched = details.get("mismatched") if isinstance(details, dict) else None
    if isinstance(mismatched, dict):
        return "; ".join(f"{how}: {value_text(names)}" for how, names in mismatched.items() if names) or "as expected"
    if isinstance(seen, dict) and "quantiles" in seen:
        pairs = zip(seen["quantiles"], seen["values"], strict=False)
        return ", ".join(f"{share(quantile)}: {value_text(value)}" for quantile, value in pairs)
    if seen is None and answer.get("values"):
        return f"unexpected: {value_text(answer['values'])}"
    if isinstance(seen, int | float) and "proportion" in name:
        return share(float(seen))
    return "" if seen is None else value_text(seen)


def value_text(value: Any, limit: int = LENGTH) -> str:
    """Write one value, shortened when it is long; of a list the first few."""
    if isinstance(value, dict) and "$PARAMETER" in value:
        return str(value["$PARAMETER"])
    if isinstance(value, list | tuple):
        shown = ", ".join(value_text(part, 40) for part in value[:LISTED])
        return f"{shown} and {len(value) - LISTED} more" if len(value) > LISTED else shown
    text = value.removesuffix("T00:00:00") if isinstance(value, str) else number(value)
    text = " ".join(text.split()) if text.strip() else repr(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def share(value: float) -> str:
    """Write a share as a percentage that never rounds to nothing or to all.

    >>> share(0.0004), share(0.5), share(0.99999)
    ('0.04 %', '50 %', '99.999 %')
    """
    for digits in range(4):
        text = f"{value * 100:.{digits}f}"
        if value in (0, 1) or (
            float(text) not in (0, 100) and abs(float(text) - value * 100) <= 0.01 * min(value, 1 - value) * 100
        ):
            break
    return f"{text} %"


def condition(given: dict[str, Any]) -> str:
    """Write a structured row condition as a phrase."""
    if given.get("type") in ("and", "or"):
        return f" {given['type']} ".join(condition(part) for part in given["conditions"])
    name = given["column"]["name"]
    if given["type"] == "nullity":
        return f"{name} is {'' if given['is_null'] else 'not '}null"
    return f"{name} {given['operator'].replace('_', ' ').lower()} {value_text(given['parameter'])}"


def _bounds(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {value_text(high)}"
    return f"at least {value_text(low)}" if high is None else f"between {value_text(low)} and {value_text(high)}"


def _quantiles(ranges: dict[str, Any]) -> str:
    pairs = zip(ranges["quantiles"], ranges["value_ranges"], strict=False)
    return ", ".join(f"{share(quantile)} {_bounds(*bounds)}" for quantile, bounds in pairs)

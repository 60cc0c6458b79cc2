"""Find the regular expressions that can run for ever, before they meet the data.

A backtracking match cannot be interrupted, and one bad pattern on one long value holds a run until the time limit kills
it. So patterns that look around, look back, or repeat what already repeats, are refused when a suite is loaded.
"""

import re
from collections.abc import Iterable
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

SAMPLE = tuple(map(chr, range(256)))
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
MANY = 20  # repeating so often counts as without end


def trouble(pattern: str) -> str:
    """Return why a pattern is refused, or nothing.

    >>> trouble("^(a+)+$")
    'repeats what already repeats, which can take for ever on a long value'
    >>> trouble("^[a-z]+([.][a-z]+)*$")
    ''
    """
    try:
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as cause:
        return f"is not a regular expression: {cause}"
    return _trouble(parsed)


def _trouble(parsed: Iterable[Any]) -> str:
    for operator, argument in parsed:
        if operator in (_constants.ASSERT, _constants.ASSERT_NOT):
            return "looks ahead or behind, which can take for ever on a long value"
        if operator in (_constants.GROUPREF, _constants.GROUPREF_EXISTS):
            return "refers back to a group, which can take for ever on a long value"
        if operator in REPEATS and argument[1] >= MANY and _ambiguous(argument[2]):
            return "repeats what already repeats, which can take for ever on a long value"
        for inner in _inside(operator, argument):
            if found := _trouble(inner):
                return found
    return ""


def _ambiguous(body: Any) -> bool:
    """Whether a repeated body can cut the same text in two ways."""
    return _forks(body) or any(_loose(branch) for branch in _branches(body))


def _forks(body: Any) -> bool:
    """Whether somewhere inside two alternatives begin alike."""
    for operator, argument in body:
        if operator is _constants.BRANCH:
            firsts = [_first(list(branch)) for branch in argument[1]]
            if any(a & b or not (a or b) for i, a in enumerate(firsts) for b in firsts[:i]):
                return True
        if any(_forks(inner) for inner in _inside(operator, argument)):
            return True
    return False


def _loose(branch: list[Any]) -> bool:
    """Whether a branch can be empty, or holds an open repeat that the next round could continue."""
    for position, (operator, argument) in enumerate(branch):
        if operator not in REPEATS or argument[1] < MANY:
            continue
        repeated = _letters(argument[2])
        others = [*branch[position + 1 :], *branch[:position]]
        if not any(_must(item) and not (_letters([item]) & repeated) for item in others):
            return True
    return not _width(branch)


def _branches(body: Any) -> list[list[Any]]:
    items = list(body)
    while len(items) == 1 and items[0][0] is _constants.SUBPATTERN:
        items = list(items[0][1][3])
    if len(items) == 1 and items[0][0] is _constants.BRANCH:
        return [list(branch) for branch in items[0][1][1]]
    return [items]


def _inside(operator: Any, argument: Any) -> list[Any]:
    if operator in REPEATS or operator is _constants.POSSESSIVE_REPEAT:
        return [argument[2]]
    if operator is _constants.SUBPATTERN:
        return [argument[3]]
    if operator is _constants.BRANCH:
        return list(argument[1])
    return [argument] if operator is _constants.ATOMIC_GROUP else []


def _must(item: Any) -> bool:
    return _width([item]) > 0


def _width(items: list[Any]) -> int:
    """The least number of characters that the items take."""
    return int(_parser.SubPattern(_parser.State(), list(items)).getwidth()[0])


def _first(branch: list[Any]) -> set[str]:
    """The characters that a branch can begin with."""
    letters: set[str] = set()
    for item in branch:
        operator, argument = item
        inner = _inside(operator, argument)
        letters |= set().union(*(_first(list(part)) for part in inner)) if inner else _letters([item])
        if _must(item):
            break
    return letters


def _letters(items: Iterable[Any]) -> set[str]:
    """The characters that the items can take anywhere."""
    letters: set[str] = set()
    for operator, argument in items:
        if operator is _constants.LITERAL:
            letters.add(chr(argument))
        elif operator is _constants.NOT_LITERAL:
            letters |= set(SAMPLE) - {chr(argument)}
        elif operator is _constants.ANY:
            letters |= set(SAMPLE)
        elif operator is _constants.IN:
            letters |= _class(argument)
        for inner in _inside(operator, argument):
            letters |= _letters(inner)
    return letters


def _class(parts: Iterable[Any]) -> set[str]:
    letters, negated = set(), False
    for operator, argument in parts:
        if operator is _constants.NEGATE:
            negated = True
        elif operator is _constants.LITERAL:
            letters.add(chr(argument))
        elif operator is _constants.RANGE:
            letters |= {chr(code) for code in range(argument[0], min(argument[1], 0x3000) + 1)}
        elif operator is _constants.CATEGORY:
            letters |= {letter for letter in SAMPLE if CATEGORIES[argument](letter)}
    return set(SAMPLE) - letters if negated else letters


def _not(test: Any) -> Any:
    return lambda letter: not test(letter)


def _word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


CATEGORIES = {
    _constants.CATEGORY_DIGIT: str.isdigit,
    _constants.CATEGORY_NOT_DIGIT: _not(str.isdigit),
    _constants.CATEGORY_SPACE: str.isspace,
    _constants.CATEGORY_NOT_SPACE: _not(str.isspace),
    _constants.CATEGORY_WORD: _word,
    _constants.CATEGORY_NOT_WORD: _not(_word),
}

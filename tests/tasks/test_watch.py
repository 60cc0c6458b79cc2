"""What is watched, and what nobody may see of it."""

from pathlib import Path

import pytest

from everfit.spec import ModelSpec
from tasks.watch import _personal

SUITE = "expectations:\n  - {{type: expect_column_to_exist, kwargs: {{column: x}}}}\npersonal: [{}]\n"


def test_what_one_suite_calls_personal_is_personal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("expectations").mkdir()
    for name, columns in (("one", "email, name"), ("two", "name, phone"), ("none", "")):
        Path(f"expectations/{name}.yaml").write_text(SUITE.format(columns))
    said = {"name": "m", "data": {"source": "d.csv", "target": "y"}}
    assert _personal(ModelSpec.model_validate({**said, "suites": ["one", "two", "none"]})) == {"email", "name", "phone"}
    assert _personal(ModelSpec.model_validate(said)) == frozenset()

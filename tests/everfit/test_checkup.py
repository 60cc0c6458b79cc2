import pandas as pd
import pytest

from everfit import checkup
from everfit.errors import SpecError
from everfit.settings import Settings


def test_a_metric_that_does_not_fit_the_target_is_found_before_a_training(tmp_path):
    pd.DataFrame({"x": range(60), "y": ["yes", "no", "perhaps"] * 20}).to_csv(tmp_path / "a.csv", index=False)
    settings = Settings(workspace=tmp_path)
    settings.models.mkdir(parents=True)
    (settings.models / "m.yaml").write_text("name: m\ndata: {source: a.csv, target: y}\nsearch: {metric: rmse}\n")
    with pytest.raises(SpecError, match="'rmse' does not fit a multiclass task") as raised:
        checkup.check(settings, "m")
    assert "log_loss" in str(raised.value)

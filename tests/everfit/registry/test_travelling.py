"""A registered model in an environment that has its requirements and not everfit."""

import subprocess
import sys

import numpy as np
import pandas as pd

from everfit import registry

# everfit is taken off the path, as it is where it was never installed; what the model brings is all there is.
STRANGER = """
import sys
from pathlib import Path
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path[:] = [place for place in sys.path if not Path(place or ".", "everfit").exists()]
try:
    import everfit
except ModuleNotFoundError:
    pass
else:
    sys.exit(f"everfit can still be imported from {everfit.__path__}")

import mlflow, pandas
uri, rows, answers = sys.argv[1:]
mlflow.set_tracking_uri(uri)
frame = pandas.read_parquet(rows)
model = mlflow.pyfunc.load_model("models:/bike@challenger")
numbers = {name: float for name in ("amount", "count")}
said = model.predict(frame.astype(numbers))
alone = [model.predict(frame.iloc[[row]].astype(numbers))[0] for row in range(5)]
assert alone == list(said[:5]), "a row alone is not the row in the batch"
assert len(model.predict(pandas.DataFrame({"amount": [None, 1.0]}).astype(float))) == 2
own = mlflow.sklearn.load_model("models:/bike@challenger")
assert list(own.predict(frame)) == list(said), "the flavours disagree"
import everfit.features
assert "artifacts" in everfit.features.__file__, everfit.features.__file__
pandas.DataFrame({"said": said, "sure": own.predict_proba(frame)[:, 1]}).to_parquet(answers)
"""


def test_a_registered_model_predicts_where_everfit_is_not(settings, classifier, frame, tmp_path):
    registry.register(settings, classifier)
    rows, answers = tmp_path / "rows.parquet", tmp_path / "answers.parquet"
    frame.to_parquet(rows)
    command = [sys.executable, "-c", STRANGER, settings.mlflow_uri, str(rows), str(answers)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = pd.read_parquet(answers)
    assert said["said"].tolist() == classifier.pipeline.predict(frame).tolist()
    np.testing.assert_array_equal(said["sure"], classifier.pipeline.predict_proba(frame)[:, 1])

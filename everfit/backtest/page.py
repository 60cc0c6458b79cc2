"""The page of a backtest, and the folder with everything that belongs to it."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

from everfit import pages
from everfit.backtest import charts, telling
from everfit.backtest.plan import EVERY, NEVER, THIS
from everfit.backtest.result import Result
from everfit.report.look import Picture

PAGE, RESULT, PLOTS = "backtest.html", "backtest.json", "plots"
THRESHOLDS = ("threshold", "now", "tried", "{metric}", "gain a batch", "p", "fits", "CPU s", "")
TONES = {"none": "none", "recalibrate": "calm", "refit": "good", "search": "warn", "repair": "bad"}


def save(folder: Path, result: Result) -> Result:
    """Write the page, its pictures and the result into a folder; return the result with the page's place."""
    made, result = charts.pictures(result), replace(result, page=str(folder / PAGE))
    for picture in made:
        path = folder / PLOTS / f"{picture.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.png)
    columns, rows = telling.table(result)
    pages.render(
        "backtest/page.html.jinja",
        folder / PAGE,
        result=result,
        headline=telling.headline(result),
        lines=telling.lines(result),
        legend=telling.legend(result),
        figures=_figures(result),
        columns=columns,
        rows=list(zip([each.name == THIS for each in telling.ranked(result)], rows, strict=True)),
        thresholds=[name.format(metric=result.metric) for name in THRESHOLDS],
        variants=[(each.better, telling.variant(each)) for each in result.variants],
        deeds=[(deed, result.spans[deed.batch], TONES[deed.action]) for deed in result.policy(THIS).deeds],
        pictures={picture.name: _embedded(picture) for picture in made},
    )
    pages.write(folder / RESULT, json.dumps(result.to_dict(), indent=1))
    return result


def _figures(result: Result) -> list[tuple[str, str, str]]:
    """Return the few numbers that are looked for first."""
    this, every, never = result.policy(THIS), result.policy(EVERY), result.policy(NEVER)
    better = "higher is better" if result.greater else "lower is better"
    return [
        (f"{result.metric} of this policy, {better}", f"{this.score:.4g}", "good"),
        ("without any refit", f"{never.score:.4g}", ""),
        ("refitted at every batch", f"{every.score:.4g}", ""),
        ("fits", str(this.fits), ""),
        (f"CPU seconds, of {every.cpu_seconds:.1f} at every batch", f"{this.cpu_seconds:.1f}", ""),
    ]


def _embedded(picture: Picture) -> dict[str, str]:
    return {"alt": picture.alt, "source": f"data:image/png;base64,{b64encode(picture.png).decode()}"}

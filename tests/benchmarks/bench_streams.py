"""Is the retraining any good? Streams of somebody else's benchmark, by its protocol, beside its own policies.

    python tests/benchmarks/bench_streams.py BENCH [--only elec2,bike_sharing] [--splits open] [--out FOLDER]
        [--known FILE ...]

BENCH is a folder with `stream.py`, `policies2.py` and `data`. Our system runs as a process of its own behind `stream.py
external`, twice: as it is, and refitted on all rows at every batch, which is what its CPU is compared with. The other
policies run in this process; those in files that `stream.py grid` or `policies2.py` wrote are taken from there. FOLDER
gets `streams.jsonl`, one line for each stream, and `streams.md`, the table.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).resolve().parent
ADAPTER = f"{sys.executable} {HERE / 'stream_adapter.py'}"
SIMPLE = ("never", "every_all", "every_slide", "every_short")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
WORTH = 0.01  # of the score of never refitting: less is no gain to have a share of
CAP = 1.25  # of a share: where next to nothing can be gained, a share says little

Line = dict[str, Any]


def run(bench: Path, splits: str, name: str, known: dict[str, Line]) -> Line:
    """Return all figures of one stream."""
    ours = external(bench, splits, name, ADAPTER)
    yardstick = external(bench, splits, name, f"{ADAPTER} --every-batch")
    others = baselines(splits, name, ours["fits"], known)
    never, best = others["never"], max(others[each] for each in SIMPLE[1:])
    return {
        "stream": name,
        "metric": ours["metric"],
        "score": ours["score"],
        "share": share_of(ours["score"], never, best),
        "fits": ours["fits"],
        "versions": ours["promotions"],
        "refused": ours["rejected"],
        "refused_wrongly": ours["false_rejects"],
        "cpu": round(ours["cpu_s"], 2),
        "every_batch": yardstick["score"],
        "every_batch_cpu": round(yardstick["cpu_s"], 2),
        **others,
    }


def share_of(score: float, never: float, best: float) -> float | None:
    """Return the part of the best window's gain; None where that is hardly a gain, as in `everfit.backtest`.

    >>> share_of(0.8, 0.6, 0.7), share_of(0.8, 0.6, 0.603), share_of(0.8, 0.6, 0.5)
    (2.0, None, None)
    """
    return round((score - never) / (best - never), 3) if best - never > WORTH * abs(never) else None


def external(bench: Path, splits: str, name: str, command: str) -> Line:
    """Run a system behind the protocol; return the record that the protocol wrote of it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "external.jsonl")
        asked = [sys.executable, bench / "stream.py", "external", "--mode", "jsonl", "--cmd", command]
        more = ["--splits", splits, "--only", name, "--workdir", folder, "--out", out]
        subprocess.run([*asked, *more], check=True, env=os.environ | ONE_THREAD, stdout=subprocess.DEVNULL)
        record: Line = json.loads(out.read_text(encoding="utf-8"))
    return record


def baselines(splits: str, name: str, fits: int, known: dict[str, Line]) -> Line:
    """Return the scores of the benchmark's own policies, and of calendars with as many fits as ours had."""
    import policies2
    import stream

    data = stream.Stream(next(iter(stream.specs(splits, name))))
    cache, calendar = stream.Cache(data), lambda: stream.EqualCost(fits, data.nb - 1)

    def score(ran: Any) -> Line:
        record: Line = stream.summarise(data, "", *ran)
        return record

    def simple(policy: str) -> Line:
        trigger, window, _ = stream.POL[policy]
        return known.get(policy) or score(stream.run_policy(data, cache, trigger(), window))

    made = {policy: simple(policy)["score"] for policy in SIMPLE}
    for window in ("all", "short"):
        made[f"calendar_{window}"] = score(stream.run_policy(data, cache, calendar(), window))["score"]
    pair = known.get("pair_blend") or score(policies2.P2["pair_blend"](data, cache))
    return made | {"pair": pair["score"], "pair_fits": pair["fits"]}


def start_up() -> float:
    """Return the CPU seconds that the adapter needs before its first message: imports, mostly."""
    before = _children()
    subprocess.run(ADAPTER.split(), check=True, env=os.environ | ONE_THREAD, stdin=subprocess.DEVNULL)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


COLUMNS = {
    "never": "never", "every_all": "every batch, all rows", "every_slide": "every, as many as at first",
    "every_short": "every, last 5 batches", "pair": "pair_blend", "calendar_all": "calendar, all",
    "calendar_short": "calendar, last 5", "score": "everfit", "share": "share", "fits": "fits",
    "pair_fits": "pair_blend's", "cpu": "CPU s", "every_batch_cpu": "every batch's",
}  # fmt: skip


def table(lines: list[Line], start: float) -> str:
    """Return everything as Markdown; CPU is without start-up, which is the same for both."""
    rows = [["stream", *COLUMNS.values(), "of it"]]
    for line in lines:
        spent = {key: line[key] - start for key in ("cpu", "every_batch_cpu")}
        cells = [_cell(key, spent.get(key, line[key])) for key in COLUMNS]
        rows.append([line["stream"], *cells, f"{spent['cpu'] / spent['every_batch_cpu']:.0%}"])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n\n" + "\n".join(summary(lines, start)) + "\n"


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "none"
    if "fits" in key:
        return f"{value}"
    if "cpu" in key:
        return f"{value:.1f}"
    return f"{value:.2f}" if key == "share" else f"{value:.3f}"


def summary(lines: list[Line], start: float) -> list[str]:
    """Return what all streams say together, a sentence a line."""
    shares = [line["share"] for line in lines if line["share"] is not None]
    cpu = [(line["cpu"] - start) / (line["every_batch_cpu"] - start) for line in lines]
    total = sum(line["cpu"] - start for line in lines) / sum(line["every_batch_cpu"] - start for line in lines)
    ahead = {key: sum(line["score"] > line[f"calendar_{key}"] for line in lines) for key in ("all", "short")}
    return [
        _shares(shares) if shares else "- nothing is to be gained",
        f"- CPU {mean(cpu):.0%} of every batch's on average, {total:.0%} in total, at most {max(cpu):.0%}; "
        f"start-up of {start:.1f} s left out on both sides",
        f"- ahead of a calendar with as many fits on {ahead['all']} of {len(lines)} (all rows), "
        f"{ahead['short']} (last 5 batches)",
        f"- fits {mean(line['fits'] for line in lines):.1f} on average, pair_blend's "
        f"{mean(line['pair_fits'] for line in lines):.1f}",
        "- refits, weights and faults only: no signal asks for a search here",
        f"- batches refused: {sum(len(line['refused']) for line in lines)}, "
        f"of them good ones: {sum(line['refused_wrongly'] for line in lines)}",
    ]


def _shares(shares: list[float]) -> str:
    capped = mean(min(CAP, share) for share in shares)
    few = f"- mean share {mean(shares):.3f}, with none counted above {CAP} {capped:.3f}; lowest {min(shares):.2f}"
    return f"{few}; of the {len(shares)} streams where something is to be gained"


def write(out: Path, lines: list[Line], start: float) -> None:
    """Write both files anew; after each stream, so that a run that is stopped leaves what it had."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "streams.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    (out / "streams.md").write_text(table(lines, start), encoding="utf-8")


def main() -> None:
    """Run the streams one after the other; print each line as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--splits", default="open")
    parser.add_argument("--only", default="")
    parser.add_argument("--known", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=HERE / "results")
    asked = parser.parse_args()
    sys.path.insert(0, str(asked.bench.resolve()))
    import stream

    start, lines = start_up(), []
    before = [json.loads(line) for file in asked.known for line in file.read_text(encoding="utf-8").splitlines()]
    for spec in stream.specs(asked.splits, asked.only):
        known = {line["policy"]: line for line in before if line["stream"] == spec["name"]}
        lines.append(run(asked.bench.resolve(), asked.splits, spec["name"], known))
        print(json.dumps(lines[-1]), flush=True)
        write(asked.out, lines, start)


if __name__ == "__main__":
    main()

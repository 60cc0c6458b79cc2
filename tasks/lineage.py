"""What is known of the champion's windows: the state of the policy, and their models, now and before."""

import logging
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

from everfit import registry
from everfit.errors import InputError, first_line
from everfit.ledger import Entry, Ledger
from everfit.ledger.lineages import Made
from everfit.models.portfolio import Portfolio
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.advance import begin, not_done
from everfit.upkeep.measuring import FEWEST
from everfit.upkeep.state import State
from everfit.upkeep.taken import carried, fitting, taken_back
from everfit.upkeep.windows import ALL
from tasks.steps import say


@dataclass
class Lineage:
    """The champion and the champions before it, back to the search that it began with; each is read once."""

    spec: ModelSpec
    champion: registry.Loaded
    _loaded: dict[int, registry.Loaded] = field(default_factory=dict, repr=False)
    _known: list[Entry] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._settings = Settings()
        self._ledger = Ledger.of(self._settings)
        self._loaded[self.champion.version] = self.champion

    @cached_property
    def line(self) -> list[Made]:
        """How its versions were made, the champion first."""
        return self._ledger.lineage(self.spec.name)

    @property
    def root(self) -> registry.Loaded:
        """The version that a search made: whose pipeline is refitted, and whose loss is the level to keep."""
        return self._load(self.line[0].root)

    def state(self) -> State:
        """Return what the latest decision about the champion left.

        What such a decision wanted has not taken place, or another version would be champion now; where it was tried
        and refused, that is part of the state. A champion that nothing was decided about has the state that it was made
        with. To both is added what labels have said since of the versions before it: while it waited for a person's
        word, these were judged. What a rollback took back is not due again at once.
        """
        last = next(reversed(self._judged([self.champion.version])), None)
        said = None if last is None else last.facts["decision"].get("upkeep")
        if last and said:
            after = State.from_dict(said)
            if last.facts["decision"]["action"] in ("refit", "recalibrate"):
                after = self._kept(last) or not_done(after, State.from_dict(last.facts["evidence"]["upkeep"]))
        else:
            made = self.line[0].upkeep
            after = State.from_dict(dict(made)) if made else begin(self.spec.refit, self.champion.task)
        state = self._caught_up(self._fitting(after))
        return taken_back(state, self._undone(last.seq if last else 0), self.spec.refit)

    def _caught_up(self, state: State) -> State:
        """Add the labelled batches that have been counted since for a version before it."""
        said = [upkeep for entry in self._all_judged() if (upkeep := entry.facts["decision"].get("upkeep"))]
        latest = self._fitting(State.from_dict(said[-1])) if said else state
        return carried(latest, state) if latest.batches > state.batches else state

    def _undone(self, seq: int) -> set[str]:
        """Return the windows whose newer models were taken back, if nothing was decided since: after that row."""
        swap, now = self._ledger.swaps(self.spec.name)[-1], self.line[0]
        gone = self._ledger.made(self.spec.name).get(swap.facts["replaced"])
        if swap.seq < seq or gone is None or gone.root != now.root:
            return set()
        return {window for window, fitted in gone.members.items() if fitted > now.members.get(window, -1)}

    def _fitting(self, state: State) -> State:
        return fitting(state, self.spec.refit, self.champion.task)

    def _kept(self, judged: Entry) -> State | None:
        """Return what the ledger says the champion goes on from, once a refit of it was judged."""
        ended = self._ledger.entries(self.spec.name, kinds=["retrain_finished"])
        said = next((entry.facts.get("upkeep") for entry in ended if entry.subject == judged.subject), None)
        return State.from_dict(said) if said else None

    def wanted(self, decision: str) -> State | None:
        """Return the state that a decision to refit leads to, if nothing was decided about the champion since."""
        last = next(reversed(self._judged([self.champion.version])), None)
        if last is None or last.subject != decision or last.facts["decision"]["action"] == "search":
            return None
        return fitting(State.from_dict(last.facts["decision"]["upkeep"]), self.spec.refit, self.champion.task)

    def batch(self) -> int | None:
        """Return how many labelled rows a batch usually has, of any champion; None as long as none was measured."""
        measured = [entry.facts["evidence"].get("measured") for entry in self.judged()]
        rows = [each["rows"] for each in measured if each]
        return round(median(rows)) if rows else None

    def few(self, labels: int) -> bool:
        """Say whether so many labels that came alone are too few to count as a batch, and wait for more.

        After rows came, half of what usually counts is enough; without, as many as a batch of rows has. So the labels
        of a batch of rows count once, in however many pieces they come.
        """
        came, usual = self._came(), self.batch()
        rows = round(median(came.values())) if came else 0
        if usual is None or self.unmeasured().intersection(came):
            return labels < max(FEWEST, (usual or rows) / 2)
        return labels < max(FEWEST, usual, rows)

    def _came(self) -> dict[str, int]:
        """Return how many rows each batch of rows has that was not refused."""
        alone = {entry.subject for entry in self._ledger.entries(self.spec.name, kinds=["labelled"])}
        sound = (entry.facts for entry in self.judged() if entry.facts["decision"]["action"] != "repair")
        seen = (facts["evidence"] for facts in sound)
        return {each["batch"]: each["rows"] for each in seen if each["batch"] not in alone}

    def has_met(self, batch: str) -> bool:
        """Say whether the labels of a batch were weighed: each is once, however often the batch is judged."""
        judged = [entry.facts for entry in self._all_judged() if entry.facts["evidence"]["batch"] == batch]
        return any(each["decision"].get("upkeep") and each["decision"]["action"] != "repair" for each in judged)

    def unmeasured(self) -> set[str]:
        """Return the batches since the last one that counted: their labels were too few, and count with the next."""
        found: set[str] = set()
        for entry in reversed(self._all_judged()):
            evidence, after = entry.facts["evidence"], entry.facts["decision"].get("upkeep")
            if evidence.get("measured") or (after and after.get("risen", 0) > evidence["upkeep"].get("risen", 0)):
                break
            if after and not evidence.get("again"):
                found.add(evidence["batch"])
        return found

    def judged(self) -> list[Entry]:
        """Return every judgement about the model, of any champion; each is read once, for they are many and large."""
        last = self._known[-1].seq if self._known else 0
        self._known += self._ledger.entries(self.spec.name, kinds=["drift_judged"], after=last)
        return self._known

    def model(self, window: str, fitted: int) -> Any | None:
        """Return a window's model that learnt after so many labelled batches; None if no version holds it.

        A version before the champion that cannot be read is a warning: only comparisons with it fall away.
        """
        holder = next((made.version for made in self.line if made.members.get(window) == fitted), None)
        if holder is None:
            return None
        try:
            return member(self._load(holder).pipeline, window)
        except InputError as unreadable:
            if holder == self.champion.version:
                raise
            say(f"v{holder} is not compared with: {first_line(unreadable)}", level=logging.WARNING)
            return None

    def _load(self, version: int) -> registry.Loaded:
        if version not in self._loaded:
            self._loaded[version] = registry.load(self._settings, self.spec.name, version)
        return self._loaded[version]

    def _all_judged(self) -> list[Entry]:
        return self._judged([made.version for made in self.line])

    def _judged(self, versions: list[int]) -> list[Entry]:
        return [entry for entry in self.judged() if entry.facts["evidence"]["champion"] in versions]


def member(pipeline: Any, window: str) -> Any | None:
    """Return the model of a window; a pipeline that a search made is that of all rows."""
    if isinstance(pipeline, Portfolio):
        return next((model for name, model, _, _ in pipeline.members if name == window), None)
    return pipeline if window == ALL else None

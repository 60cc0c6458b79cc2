"""Load the champion for a step, if it still is a model of what the model file describes."""

from functools import cached_property

from everfit import registry
from everfit.errors import InputError
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.state import State
from tasks.lineage import Lineage


class Champion:
    """The champion as one run meets it: read back when it is first needed, and then kept."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    @property
    def missing(self) -> str:
        """What to do about a champion that there is none of yet; empty when there is one."""
        try:
            registry.require_champion(Ledger.of(Settings()), self._spec.name)
        except InputError as none:
            return str(none)
        return ""

    def forget(self) -> None:
        """Read it anew when it is needed next: another run has decided about it, or made another one champion."""
        for name in ("loaded", "lineage"):
            self.__dict__.pop(name, None)

    def moved_on(self, seen: State) -> bool:
        """Say whether it is champion no more, or its state another one than that which was measured from."""
        now = Ledger.of(Settings()).champion(self._spec.name)
        return now != self.loaded.version or self.lineage.state() != seen

    @cached_property
    def loaded(self) -> registry.Loaded:
        """The version itself; raise InputError when there is no champion."""
        settings = Settings()
        version = registry.require_champion(Ledger.of(settings), self._spec.name)
        return load_champion(self._spec, settings, version)

    @cached_property
    def lineage(self) -> Lineage:
        """It and the versions before it; what was decided about them is read anew each time."""
        return Lineage(self._spec, self.loaded)


def load_champion(spec: ModelSpec, settings: Settings, version: int) -> registry.Loaded:
    """Read a version back; raise InputError when it predicts another column, or in another way, than the file says."""
    loaded = registry.load(settings, spec.name, version)
    said = {"target": spec.data.target, "task": spec.data.task or loaded.task}
    for key, wanted in said.items():
        if loaded.card[key] != wanted:
            raise InputError(
                f"{spec.name}: the model file says {key}: {wanted}, and its champion v{version} was made for "
                f"{loaded.card[key]}.",
                why="Two models of different things cannot be compared, and one cannot stand in for the other.",
                do=f"Undo the change, or make a new model: everfit new {spec.name}-2 ...",
            )
    return loaded

"""When does a champion learn again, and from which rows? A small pure policy over windows of the past.

`measure` turns what everybody said of a labelled batch into a few numbers, `advance` turns these and the state before
into the state after and what is due; both are recorded, so that every step can be made again. `Keeper` does all of it
in memory, for a replay of history and wherever there is no registry.
"""

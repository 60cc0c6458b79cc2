"""What would have been refused, refitted, searched and promoted: policies live through history again, side by side.

Faults, decisions, refits and gates are those of production, in memory. `whole.backtest` does it, `page.save` draws it.
"""

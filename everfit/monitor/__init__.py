"""Is the model still fit? Signals look at a new batch, a pure decision weighs them, a page shows both.

A signal looks at plain frames and arrays and gives one finding (`signals` names them all); `decision.decide` knows
nothing of how they were found. Import the modules themselves: Evidently is behind `evidently_report` only.
"""

"""Is the model still fit? Signals look at a new batch, a pure decision weighs them, a page shows both.

A signal is a module that looks at plain frames or arrays and gives `Finding`s; `decision.decide` knows
nothing of how they were found. Import the modules themselves: Evidently is behind `evidently_report` only.
"""

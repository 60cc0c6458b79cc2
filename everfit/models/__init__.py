"""Models around models: what a fitted pipeline needs beyond scikit-learn's and the vendors' own classes.

This package travels inside every registered model, so it imports numpy, pandas and scikit-learn, and nothing else.
"""

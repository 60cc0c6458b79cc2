"""What every trial needs, imported once by the process that all workers are forked from."""

# ruff: noqa: F401
import catboost
import joblib
import lightgbm
import sklearn.compose
import sklearn.dummy
import sklearn.ensemble
import sklearn.linear_model
import sklearn.neighbors
import sklearn.neural_network
import sklearn.pipeline
import xgboost

import everfit.features.blocks
import everfit.features.conform
import everfit.search.worker

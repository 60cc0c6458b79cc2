"""The columns that everfit puts beside those of the data, which may therefore not bring their like."""

BATCH, ROW, REASON = "_batch", "_row", "_reason"  # of what came in
KEY, ORIGIN, ORDER = "_key", "_origin", "_order"  # of labels
VERSION, AT = "_version", "_at"  # of predictions
ID = "_prediction_id"  # of rows that a service was asked about
PREDICTION, SCORE, LOSS, HELDOUT, NEW = "_prediction", "_score", "_loss", "_heldout", "_new"  # of rows to judge
RESERVED = (BATCH, ROW, REASON, KEY, ORIGIN, ORDER, VERSION, AT, ID, PREDICTION, SCORE, LOSS, HELDOUT, NEW)
ANSWER, SHARE = "prediction", "probability_"  # what was said of a row, and before each class's name how probable it is
# What a service says of its answers; a field of the same name gets an underscore behind it.
PREDICTION_ID, ASKED_AT, LATENCY, SOURCE = "prediction_id", "asked_at", "latency_ms", "source"

"""No class is impossible only because none of a few voices, trees or neighbours, has named it.

What they say is mixed with the shares of the classes, as if a part of one more voice knew nothing else. Trees that grow
to the last row, and the nearest few rows, agree now and then on a class that is wrong; one such row costs more log loss
than hundreds of good ones gain. So small a part changes nothing else: the order of rows stays, and so do nearly all
labels.
"""

UNSEEN = 0.3  # of one voice


def doubt(voices: int) -> float:
    """Return the share that the classes' shares have beside so many voices."""
    return UNSEEN / (UNSEEN + voices)

"""The registry of misuse, by subject: rows of a call and the text of its error.

Of a long text a row has how it begins ("…"). ``{tmp}`` is a folder. What the calls speak of is made by
test_misuse.py.
"""

from misuse_rows import (
    data,
    estimators,
    feedback,
    layers,
    measures,
    network,
    recurrent,
    training,
)

ROWS = [
    *network.ROWS,
    *layers.ROWS,
    *recurrent.ROWS,
    *feedback.ROWS,
    *training.ROWS,
    *measures.ROWS,
    *data.ROWS,
    *estimators.ROWS,
]

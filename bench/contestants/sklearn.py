"""scikit-learn's multi-layer perceptron: backprop, from weights of its own, plain SGD.

Another rule and another start, so that its weights cannot be compared; it stands in the table because
people use it for networks of this size. A pass is one `partial_fit`: one epoch, in the given order,
input checks and loss included. Targets 0 and 1 go to MLPClassifier as a multi-label problem, which
gives it logistic outputs and their cross-entropy; others go to MLPRegressor, whose outputs are linear
and would diverge at the workload's rate above a wide layer: it learns at a lower one.
"""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from contestants import Contestant
from tasks.workloads import Task

_ACTIVATION = {"logistic": "logistic", "tanh": "tanh", "linear": "identity"}


class ScikitLearn(Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.x = task.x.reshape(-1, task.x.shape[-1])
        y = task.y.reshape(-1, task.y.shape[-1])
        self.classifies = task.workload.loss == "cross_entropy"
        self.y = y.astype(np.int64) if self.classifies else y
        self.reset()

    def reset(self) -> None:
        what = self.task.workload
        kind = MLPClassifier if self.classifies else MLPRegressor
        rate = what.lr if self.classifies else min(what.lr, 0.1 / what.sizes[-2])
        self.net = kind(
            hidden_layer_sizes=what.sizes[1:-1],
            activation=_ACTIVATION[what.activation],
            solver="sgd",
            alpha=0.0,
            batch_size=what.batch,
            learning_rate_init=rate,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
            random_state=0,
        )

    def train(self, steps: int) -> None:
        n = steps * self.task.workload.batch
        more = {"classes": np.arange(self.y.shape[1])} if self.classifies else {}
        self.net.partial_fit(self.x[:n], self.y[:n], **more)

    def parameters(self) -> list[np.ndarray]:
        pairs = zip(self.net.coefs_, self.net.intercepts_, strict=True)
        return [p for w, b in pairs for p in (w.T, b)]

"""Saving a small network from Python and from C."""

from __future__ import annotations

import os

import capi
import fastfa as fa
from checkpoint_cases import small


def c_save(path):
    net = capi.Network(2, [capi.Layer(units=2)])
    assert net.call("save", os.fsencode(path)) == 0, capi.last_error()


SAVES = {"python": lambda path: fa.save(path, small()), "c": c_save}

"""Convolutional networks (`bench/conv.py`): which ones, and who takes part."""

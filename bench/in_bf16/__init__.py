"""Feedback alignment in bf16: the task, and who takes part (`bench/bf16.py`)."""

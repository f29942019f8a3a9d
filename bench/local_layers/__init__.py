"""The paper's locally connected layer, for local.py: tasks, and who takes part."""

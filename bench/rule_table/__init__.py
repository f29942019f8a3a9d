"""Every rule on the same networks, for rules.py: settings, a run, the table."""

"""Sets of data and ways of calling fastfa without settings, for defaults.py."""

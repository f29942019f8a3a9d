"""How fastfa's own cost grows, for growth.py: points on each axis, memory, cliffs, charts."""

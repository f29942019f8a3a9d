"""How everybody is measured: threads, rounds, floors, and what is written of it."""

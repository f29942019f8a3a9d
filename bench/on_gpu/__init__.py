"""What gpu.py and gpu.sh run on a GPU."""

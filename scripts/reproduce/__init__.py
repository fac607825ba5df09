"""The parts of reproduce_paper.py: what there is to do, doing it, and the tables of it."""

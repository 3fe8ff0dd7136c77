"""Kills workers at every point and at random instants, and counts what was lost, doubled or asked again."""

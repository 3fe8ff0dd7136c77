"""Kills workers at every point and at random instants, and counts what was lost, doubled or asked again.

Meanwhile others watch the runs by way of a web server, which is killed, too: what they miss, get twice or read
otherwise than it is stored is counted as well.
"""

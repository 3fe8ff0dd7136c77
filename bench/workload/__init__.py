"""The app that is measured: a row that tools write, agents, and users who may run them."""

"""Workers: they claim executions and run them."""

"""How fast it is: `python -m bench [figure …]`, or `make bench FIGURES="…"`. See bench/figures/."""

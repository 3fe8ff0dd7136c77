"""Models of Retinue's own, and what models cost."""

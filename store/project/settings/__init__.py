"""Settings by place: development (manage.py's default), production, testing; `base` is what they share."""

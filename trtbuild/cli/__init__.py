"""The command line; `app.py` is the way in."""

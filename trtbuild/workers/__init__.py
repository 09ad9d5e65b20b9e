"""Heavy work runs in worker processes, so the parent stays light and survives their crashes."""

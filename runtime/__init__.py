"""What every model needs to be stored and run, whatever it predicts: folders, devices, sessions.

Knows no model and imports nothing of ours, so that `sales` and `pets` can both stand on it.
"""

"""Backtest of the sales model: windows at rolling origins, each forecast from its past alone."""

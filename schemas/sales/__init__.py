"""The sales contract: requests, ranges of days, answers, explanations."""

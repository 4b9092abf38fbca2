"""Files for a sales bundle: the plan that it assumes, and forecasts of the rows of a file."""

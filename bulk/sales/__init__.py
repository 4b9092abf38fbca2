"""Parts of tables: forecasts of their rows, under the plan that all rows of a job make together."""

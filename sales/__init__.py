"""What training and serving share for forecasts: tables to columns to sales."""

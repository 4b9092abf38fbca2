"""Assumptions about days that no table states: promotions, holidays and opening.

A forecast looks ahead at the plan of the next two weeks, and clients ask for days after the plan. The rules here use
only the rows that they are given, so tables with an earlier cutoff show no later plan.
"""

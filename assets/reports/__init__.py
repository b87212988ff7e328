"""Reports: daily sales, product sales, fulfilment times and the value of customers.

What this room is: recomputing reports for the days that LOAD touched, their assets and checks.
What belongs here: choosing days, replacing them in one transaction.
What never does: how a figure is computed; that is pure and stands in assets/transforms/reports.py.
"""

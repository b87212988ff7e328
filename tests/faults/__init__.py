"""Processes killed at every labelled point, and builds that are broken on purpose."""

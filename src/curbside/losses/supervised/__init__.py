"""Losses against labels: one file each."""

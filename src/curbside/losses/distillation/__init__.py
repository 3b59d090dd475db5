"""Losses against a teacher: one file each, on logits or on features."""

"""The gate: what a compiled file lost and gained, measured; what loses too much does not pass."""

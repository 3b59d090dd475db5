"""The window: `curbside app`. Needs the extra `app` (PySide6)."""

__all__: list[str] = []

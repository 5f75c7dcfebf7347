"""Narratives: reading them from YAML and TOML, checking them, filling in their templates, opening their media.

Nothing here knows models, runs or terminals, and nothing here sends anything.
"""

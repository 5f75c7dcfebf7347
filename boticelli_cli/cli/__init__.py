"""The command line: one file a command, each its options, its help and one call into `app`.

Nothing here decides anything about narratives or models; sentences for people and exit codes are made here.
"""

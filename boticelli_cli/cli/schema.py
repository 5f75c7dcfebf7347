"""`boticelli schema`: the form of narrative files, for editors."""

import json

from boticelli_cli.cli.failures import telling_errors
from boticelli_cli.cli.options import Quiet, Verbose

__all__ = ["schema"]


def schema(quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Print the JSON Schema of narrative files, for editors.

    \b
    Examples:
      boticelli schema > narrative.schema.json
      (then begin a narrative with: # yaml-language-server: $schema=narrative.schema.json)
    """
    with telling_errors():
        from boticelli_cli import app

        print(json.dumps(app.narrative_schema(), indent=2, ensure_ascii=False))

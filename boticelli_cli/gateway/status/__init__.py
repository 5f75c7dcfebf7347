"""The status page: a gateway's accounts, what is under way, what was spent, and what went wrong, for whoever runs it.

It knows neither accounts nor the ledger nor how keys are kept: it is told by a `StatusSource`, and let in by an
`AdminDoor`.
"""

from boticelli_cli.gateway.status.routes import status_routes
from boticelli_cli.gateway.status.sessions import AdminDoor
from boticelli_cli.gateway.status.source import Slice, StatusSource

__all__ = ["AdminDoor", "Slice", "StatusSource", "status_routes"]

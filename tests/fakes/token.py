"""A fake of Google's OAuth endpoint, and the credentials of a service account that gets its tokens there."""

import json
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.serving import Served


class FakeTokens(Served):
    """Gives `token` for every assertion, or an error with `status`. `asked` counts what came in."""

    def __init__(self, token: str = "test-token") -> None:
        super().__init__()
        self.token = token
        self.status = 200
        self.asked = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        form = await request.post()
        if self.status != 200 or not form.get("assertion"):
            return web.json_response({"error": "invalid_grant", "error_description": "No such account."}, status=400)
        return web.json_response({"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"})


def service_account(path: Path, token_uri: str) -> str:
    """Write the file that GOOGLE_APPLICATION_CREDENTIALS names."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": pem,
        "client_email": "painter@project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(account))
    return str(path)

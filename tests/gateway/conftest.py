"""What tests of the gateway share: few certificates to be read, and one gateway before the fakes of all providers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.gateway.walled import Walled, fakes, walled

if TYPE_CHECKING:
    from tests.gateway.whole import Whole


@pytest.fixture(autouse=True, scope="module")
def few_certificates(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[None]:
    """Each client reads what it is to trust when it is made: all that a system trusts takes longer than most tests."""
    path = tmp_path_factory.mktemp("trusted") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Whole]":
    from tests.gateway.whole import running  # with it come the vendors' clients, which take seconds

    with running(tmp_path_factory.mktemp("whole")) as whole:
        yield whole


@pytest.fixture(scope="module")
def whole(everybody: "Whole") -> "Whole":
    """A gateway before a fake of each provider, which knows nothing of other files of tests."""
    everybody.forget()
    return everybody


@pytest.fixture(scope="session")
def behind() -> Iterator[tuple[Any, ...]]:
    """A fake of each provider, for gateways that are processes."""
    with fakes() as made:
        yield made


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory, behind: tuple[Any, ...]) -> Iterator[Walled]:
    """A gateway that is a process, with keys."""
    with walled(tmp_path_factory.mktemp("here") / "home", behind) as made:
        yield made

"""Keys that are guessed: how many wrong ones came from where, within a minute."""

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

__all__ = ["Guesses"]

_MINUTE = 60.0


class Guesses:
    """Counts wrong keys by the address that they come from. Times are seconds of any one clock.

    From an address with `most` of them within a minute nothing more is heard until the first of them is a minute old.
    An IPv6 address counts as its /64, all of which is one subscriber's. No more than `addresses` are remembered, those
    that guessed last: one that has so many to guess from is not stopped by any count.
    """

    def __init__(self, *, most: int = 20, addresses: int = 10_000) -> None:
        self._most = most
        self._addresses = addresses
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wrong)

    def wait(self, address: str, now: float) -> float:
        """The seconds for which an address is not listened to, 0 for one that is."""
        times = self._wrong.get(_whose(address))
        if times is None or len(times) < self._most:
            return 0.0
        return min(max(times[0] + _MINUTE - now, 0.0), _MINUTE)

    def add(self, address: str, now: float) -> None:
        """Count a wrong key."""
        whose = _whose(address)
        self._wrong.setdefault(whose, deque(maxlen=self._most)).append(now)
        self._wrong.move_to_end(whose)
        while self._wrong and (len(self._wrong) > self._addresses or self._is_over(next(iter(self._wrong)), now)):
            self._wrong.popitem(last=False)

    def _is_over(self, whose: str, now: float) -> bool:
        return self._wrong[whose][-1] + _MINUTE <= now


def _whose(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:  # a socket in the file system, or none
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))

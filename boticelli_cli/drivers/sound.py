"""Sound as models send it, raw and in pieces, made into a file that can be played."""

import io
import re
import wave

from boticelli_cli.messages import Media, MediaDelta

__all__ = ["Sound"]

_SAMPLE_BYTES = 2
_RATE = 24_000
"""What Gemini's models speak in: 24 kHz, 16 bits, one channel (ai.google.dev, Live API and speech generation)."""


class Sound:
    """Gathers raw sound, 16-bit samples of one channel, and gives it out as one WAV."""

    def __init__(self) -> None:
        self._samples = bytearray()
        self._rate = _RATE

    @staticmethod
    def is_raw(mime: str) -> bool:
        return mime.lower().startswith(("audio/pcm", "audio/l16"))

    def add(self, mime: str, samples: bytes) -> None:
        """Add samples, at the rate that the media type names: `audio/pcm;rate=24000`."""
        rate = re.search(r"rate=(\d+)", mime)
        self._rate = int(rate[1]) if rate else _RATE
        self._samples += samples

    def take(self) -> list[MediaDelta]:
        """What has been gathered, as a delta, if anything has; nothing is kept."""
        samples, self._samples = self._samples, bytearray()
        if not samples:
            return []
        file = io.BytesIO()
        with wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(_SAMPLE_BYTES)
            wav.setframerate(self._rate)
            wav.writeframes(samples)
        return [MediaDelta(Media("audio", "audio/wav", data=file.getvalue()))]

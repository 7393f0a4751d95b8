"""Turns an untrusted upload into an image, or says in one sentence why it cannot."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

from PIL import Image

from app.errors import BadImage, Busy
from app.metrics import Metrics
from app.query.decoder import ADVICE, HEAD, UPLOAD
from app.settings import AppSettings
from tasks.catalog.images import ImageLimits

_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # a decoder gets no credentials of the store


class Uploads:
    """Decodes uploads in `app.query.decoder` processes, as many as the settings say. Thread-safe.

    Their memory and time are bounded, whatever the bytes are. ``side``: longest side in pixels of the live release's
    images.
    """

    def __init__(
        self,
        settings: AppSettings,
        metrics: Metrics | None = None,
        side: Callable[[], int] = lambda: ImageLimits().side,
    ) -> None:
        self._settings, self._metrics, self._side = settings, metrics or Metrics(), side
        # last in, first out: the others are never started where one is enough
        self._free: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(settings.decoders):
            self._free.put(None)

    def decode(self, content: bytes) -> Image.Image:
        """Decode an upload to the image that a catalogue would store of it.

        Raises BadImage: 413 where bytes, pixels or memory exceed the limits, 422 otherwise; Busy where no decoder
        became free in time. Never anything else.
        """
        limits = self._settings
        if not content:
            raise BadImage(f"The upload is empty. {ADVICE}")
        if len(content) > limits.max_upload_bytes:
            found = f"The picture has {len(content) / 1e6:.1f} MB"
            raise BadImage(f"{found}, the limit is {limits.max_upload_bytes / 1e6:g} MB. Send a smaller one.", 413)
        decoder = self._take()
        try:
            with self._metrics.stage("decode"):
                decoder = decoder or _Decoder(limits.max_pixels, limits.decoder_bytes)
                return decoder.decode(content, self._side(), limits.decode_seconds)
        finally:
            self._free.put(decoder if decoder and decoder.alive else None)

    def close(self) -> None:
        """End the idle processes. Busy ones end with the app."""
        for _ in range(self._free.qsize()):
            try:
                decoder = self._free.get_nowait()
            except queue.Empty:
                return
            if decoder:
                decoder.close()
            self._free.put(None)

    def _take(self) -> "_Decoder | None":
        try:
            return self._free.get(timeout=self._settings.decode_seconds)
        except queue.Empty:
            self._metrics.refused("decoders")
            raise Busy("Too many pictures are being decoded. Send it again in a moment.") from None


class _Decoder:
    """One process, for one image at a time."""

    def __init__(self, max_pixels: int, memory: int) -> None:
        command = [sys.executable, "-m", "app.query.decoder", str(max_pixels), str(memory)]
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._late = False
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            start_new_session=True,  # Ctrl-C is for the app, which ends it by closing its stdin
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether it can take the next image."""
        return not self._late and self._process.poll() is None

    def decode(self, content: bytes, side: int, seconds: float) -> Image.Image:
        """The image. Raises BadImage; the process is ended where it took too long."""
        watch = threading.Timer(seconds, self._end)
        watch.start()
        try:
            return self._exchange(content, side)
        except (OSError, EOFError):  # this image killed it
            self.close()
            if self._late:
                raise BadImage(f"The picture takes more than {seconds:g} s to decode. Save it again.") from None
            raise BadImage("The picture takes too much memory to decode. Save it again, or smaller.", 413) from None
        finally:
            watch.cancel()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe:
                    pipe.close()
            except OSError:
                pass  # bytes that were not sent yet are lost with it

    def _end(self) -> None:
        self._late = True
        self._process.kill()

    def _exchange(self, upload: bytes, side: int) -> Image.Image:
        sink, source = self._process.stdin, self._process.stdout
        assert sink and source
        sink.write(UPLOAD.pack(len(upload), side))
        sink.write(upload)
        sink.flush()
        status, width, height, size = HEAD.unpack(_read(source, HEAD.size))
        content = _read(source, size)
        if status:
            raise BadImage(content.decode(), status)
        return Image.frombytes("RGB", (width, height), content)


def _read(source: IO[bytes], size: int) -> bytes:
    content = source.read(size)
    if len(content) < size:
        raise EOFError("the decoder ended")
    return content

"""Attachments: files that were sent with an event, as far as a page can show them safely.

Text is shown as text, whatever it claims to be. An image is shown when its own bytes say that it is
a small PNG or JPEG. Nothing else of a file reaches the page.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field

from kit.ingest.store import StoredItem
from kit.reading.items import RawItem, printable_text, raw_value
from kit.reading.payload import as_str, format_bytes, shorten
from kit.reading.replays import as_bytes

MAX_FILE_NAME = 120
MAX_IMAGE_BYTES = 128 * 1024
# A picture of few bytes may decompress to gigabytes in a browser.
MAX_PIXELS = 4_000_000

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# Start Of Frame, of all ways to encode a JPEG that browsers know.
_FRAMES = (0xC0, 0xC1, 0xC2)
# What may come before it: tables, restart interval, application data, comments.
_SEGMENTS = (0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE)


@dataclass(frozen=True)
class Attachment:
    """A file that was sent; ``content`` are its bytes, as sent."""

    service: str
    received_at: float
    name: str
    content_type: str
    kind: str
    event_id: str
    content: bytes = field(repr=False)

    @property
    def size(self) -> str:
        """How large it is, in words."""
        return format_bytes(len(self.content))

    @property
    def text(self) -> RawItem | None:
        """Its beginning, if it is printable text; else None."""
        if not self.content or printable_text(self.content) is None:
            return None
        return raw_value(self.content)

    @property
    def image(self) -> str:
        """A ``data:`` URL of its picture; empty unless it is a small PNG or JPEG."""
        kind = image_type(self.content)
        return f"data:{kind};base64,{b64encode(self.content).decode()}" if kind else ""


def read_attachments(items: Iterable[StoredItem]) -> list[Attachment]:
    """Return the attachments among items, in their order."""
    return [_read(item) for item in items if item.type == "attachment"]


def _read(item: StoredItem) -> Attachment:
    name, content_type, kind = (
        shorten(as_str(item.headers.get(key)), MAX_FILE_NAME).text
        for key in ("filename", "content_type", "attachment_type")
    )
    return Attachment(
        service=item.project,
        received_at=item.received_at,
        name=name or "no name",
        content_type=content_type,
        # The type of every file that names no other.
        kind="" if kind == "event.attachment" else kind,
        event_id=item.event_id or "",
        content=as_bytes(item.payload),
    )


def image_type(content: bytes) -> str:
    """Return the content type of a picture that may be shown, by its bytes; empty for others."""
    if len(content) > MAX_IMAGE_BYTES:
        return ""
    if content.startswith(_PNG) and _fits(_png_size(content)):
        return "image/png"
    return "image/jpeg" if content.startswith(_JPEG) and _fits(_jpeg_size(content)) else ""


def _fits(size: tuple[int, int]) -> bool:
    return 0 < size[0] * size[1] <= MAX_PIXELS


def _png_size(content: bytes) -> tuple[int, int]:
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Return width and height of the first frame; zeros where there is none."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, segment = content[at + 1], content[at + 2 : at + 9]
        if marker in _FRAMES:
            return int.from_bytes(segment[5:7]), int.from_bytes(segment[3:5])
        # Browsers skip anything else, and might find a different frame than this code.
        if marker not in _SEGMENTS:
            break
        at += 2 + int.from_bytes(segment[:2])
    return 0, 0

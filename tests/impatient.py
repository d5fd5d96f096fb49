"""Servers that close a connection which their client keeps."""

import selectors
import socket
import threading
from typing import Self

DEADLINE_S = 60.0


class ImpatientProxy:
    """Passes bytes on to a server, and closes each connection that was idle for ``idle_s``."""

    def __init__(self, target: tuple[str, int], idle_s: float) -> None:
        self._target, self._idle_s = target, idle_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._open: dict[socket.socket, bytes] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        with self._changed:
            for client in self._open:
                client.shutdown(socket.SHUT_RDWR)
            assert self._changed.wait_for(lambda: not self._open, DEADLINE_S)

    def wait_until_closed(self, word: bytes) -> None:
        """Wait until no connection is open that a client sent ``word`` on; there must be one."""
        with self._changed:
            assert self._has(word)
            assert self._changed.wait_for(lambda: not self._has(word), DEADLINE_S)

    def _has(self, word: bytes) -> bool:
        return any(word in sent for sent in self._open.values())

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._open[client] = b""
            threading.Thread(target=self._relay, args=[client], daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        try:
            with socket.create_connection(self._target) as server:
                self._relay_until_idle(client, server)
        except OSError:
            pass
        finally:
            # First gone, then closed: shutdown() needs an open one.
            with self._changed:
                del self._open[client]
                client.close()
                self._changed.notify_all()

    def _relay_until_idle(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while events := ready.select(self._idle_s):
                for key, _ in events:
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    if not (data := source.recv(65536)):
                        return
                    with self._changed:
                        self._open[client] += data if source is client else b""
                    key.data.sendall(data)

"""Who stands between clients and a node."""

import socket
import threading


class Between:
    """Connects each client that comes to the node at `node` and runs what `ways(client, node)` gives, functions that pass on one way each, in
    threads of their own. Ended by stop()."""

    def __init__(self, node):
        self.node = node
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def ways(self, client, node):
        raise NotImplementedError

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            host, port = self.node.rsplit(":", 1)
            node = socket.create_connection((host, int(port)))
            self._sockets += [client, node]
            for way in self.ways(client, node):
                threading.Thread(target=way, daemon=True).start()

    def stop(self):
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
